"""The three faces of an outbox, driven by one text: Outbox, AsyncOutbox and MemoryOutbox."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.database import Database

from outbox import AsyncOutbox, Outbox
from outbox.testing import MemoryOutbox
from tests.actors.order_service import MESSAGES, Document, placed
from tests.actors.running import Running
from tests.actors.small_log import make_log_anew

SECONDS = 60


class Face(ABC):
    """An outbox, and how what it does is called, waited for and ended."""

    outbox: Any

    def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Calls a method of the outbox or of a consumer of it, and returns its result."""
        return function(*arguments, **options)

    def put(self, *messages: Any, **options: Any) -> list[Any]:
        """Puts each by itself, numbers them, and returns their ids."""
        ids = [self.call(self.outbox.put, message, standalone=True, **options) for message in messages]
        self.call(self.outbox.sequence)
        return ids

    def read(self, *arguments: Any, **options: Any) -> list[Any]:
        return list(self.outbox.read(*arguments, **options))

    @contextmanager
    def observing(self, *arguments: Any, **options: Any) -> Iterator[tuple[list[Any], list[Exception]]]:
        """Observes inside the `with`: what has come so far, and the error that has ended it."""
        records: list[Any] = []
        errors: list[Exception] = []
        subscription = self.outbox.observe(*arguments, **options).subscribe(records.append, errors.append)
        try:
            yield records, errors
        finally:
            subscription.dispose()

    @contextmanager
    def running(self, consumer: Any, handle: Callable[..., object], *, batch: int | None = None) -> Iterator[Running]:
        """Runs a consumer inside the `with`; `batch`: in transactions of so many records."""

        def run() -> None:
            if batch is None:
                self.call(consumer.run, self.handler(handle, 1))
            else:
                self.call(consumer.run_in_transaction, self.handler(handle, 2), batch=batch)

        work = Running(run)
        work.thread.start()
        try:
            yield work
        finally:
            consumer.stop()
            work.thread.join(SECONDS)
            assert not work.thread.is_alive(), "it does not stop"

    def handler(self, handle: Callable[..., object], takes: int) -> Callable[..., object]:
        """Makes what this face takes for a handler of so many arguments; the function may block."""
        return handle

    def caught_up(self, consumer: Any) -> None:
        """Waits until a consumer has handled all that was put."""
        self.call(consumer.wait_caught_up, 30.0)

    @abstractmethod
    def fill(self) -> int:
        """Puts more than the log keeps, and returns the oldest seq that it holds."""

    def close(self) -> None:
        self.call(self.outbox.close)


class Synchronous(Face):
    def __init__(self, database: Database[Document]) -> None:
        self.outbox = Outbox(database, messages=MESSAGES)
        self.outbox.create()

    def fill(self) -> int:
        return filled(self, self.outbox)


def filled(face: Face, outbox: Outbox) -> int:
    make_log_anew(outbox)
    while outbox.log.earliest() == 1:
        face.put(*(placed(number, note="x" * 1000) for number in range(10)))
    return outbox.log.earliest()


class Looped(Face):
    """Its loop runs on a thread of its own, so that several things can be under way."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        async def called() -> Any:
            result = function(*arguments, **options)
            return await result if isinstance(result, Awaitable) else result

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(SECONDS)

    def read(self, *arguments: Any, **options: Any) -> list[Any]:
        async def read() -> list[Any]:
            return [record async for record in self.outbox.read(*arguments, **options)]

        found: list[Any] = self.call(read)
        return found

    @contextmanager
    def observing(self, *arguments: Any, **options: Any) -> Iterator[tuple[list[Any], list[Exception]]]:
        records: list[Any] = []
        errors: list[Exception] = []
        entered = threading.Event()

        async def observe() -> None:
            try:
                observed = self.outbox.observe(*arguments, **options)
                async with aclosing(observed):
                    if hasattr(observed, "__aenter__"):
                        await observed.__aenter__()
                    entered.set()
                    async for record in observed:
                        records.append(record)  # noqa: PERF401  # the test looks at it meanwhile
            except Exception as error:  # noqa: BLE001  # the test looks at it
                errors.append(error)
            finally:
                entered.set()

        task = asyncio.run_coroutine_threadsafe(observe(), self._loop)
        assert entered.wait(SECONDS)
        try:
            yield records, errors
        finally:
            task.cancel()

    def handler(self, handle: Callable[..., object], takes: int) -> Callable[..., object]:
        async def record_alone(record: Any) -> None:
            await asyncio.to_thread(handle, record)

        async def with_session(record: Any, session: Any) -> None:
            await asyncio.to_thread(handle, record, session)

        return record_alone if takes == 1 else with_session

    def close(self) -> None:
        super().close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()


class Asynchronous(Looped):
    def __init__(self, database: Database[Document], uri: str) -> None:
        super().__init__()
        self._synchronous = Outbox(database, messages=MESSAGES, sequence=False)
        self._synchronous.create()
        self.call(self._begin, database.name, uri)

    async def _begin(self, name: str, uri: str) -> None:
        self._client: AsyncMongoClient[Document] = AsyncMongoClient(uri)
        self.outbox = AsyncOutbox(self._client[name], messages=MESSAGES)

    def fill(self) -> int:
        return filled(self, self._synchronous)

    def close(self) -> None:
        self.call(self.outbox.close)
        self._synchronous.close()
        self.call(self._client.close)
        super().close()


class InMemory(Face):
    def __init__(self) -> None:
        self.outbox = MemoryOutbox(messages=MESSAGES)

    def fill(self) -> int:
        self.put(*(placed(number) for number in range(30)))
        self.outbox.roll_over(21)
        return 21


FACES = ("Outbox", "AsyncOutbox", "MemoryOutbox")


@contextmanager
def face_of(name: str, database: Callable[[], Database[Document]], uri: Callable[[], str]) -> Iterator[Face]:
    """Makes one of them; a database is asked for only where it is needed."""
    made: Face
    match name:
        case "Outbox":
            made = Synchronous(database())
        case "AsyncOutbox":
            made = Asynchronous(database(), uri())
        case _:
            made = InMemory()
    with closing(made):
        yield made

"""The client of a gateway for asyncio: the same calls, each awaited, on a few threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar

from bson import ObjectId

from outbox.aio.consumers.handlers import Handlers
from outbox.aio.consumers.observed import AsyncDeliveries, Turns
from outbox.aio.consumers.running import check_stop, run_on_thread
from outbox.aio.threads import Threads
from outbox.arguments import check_takes, is_asynchronous
from outbox.errors import InvalidConsumer
from outbox.log.record import Record
from outbox.messages.message_types import Key
from outbox.readers.query import Where
from outbox.readers.start import Start
from outbox.remoting.consumer import RemoteConsumer
from outbox.remoting.events import OnRemoteEvent
from outbox.remoting.outbox import RemoteOutbox
from outbox.remoting.wire import Types
from outbox.staging.put import Message

M = TypeVar("M")

CALLS = 8
"""Calls at a time; each consumer that runs, and each iteration, has one of its own."""


class AsyncRemoteConsumer(Generic[M]):
    """Handles messages as RemoteConsumer does, with a coroutine. A run has a thread."""

    def __init__(self, consumer: RemoteConsumer[M], threads: Threads) -> None:
        self._consumer = consumer
        self._threads = threads
        self._turns = Turns()
        self.name = consumer.name

    async def run(self, handle: Callable[[Record[M]], Awaitable[object]], *, stop: asyncio.Event | None = None) -> None:
        """Awaits `handle(record)` for each record, as RemoteConsumer.run. Cancelling it cancels the handler, too."""
        if not callable(handle) or not is_asynchronous(handle):
            raise InvalidConsumer(f"handle={handle!r}: give an async function of a record")
        check_takes("handle", handle, "a record", InvalidConsumer, 1)
        check_stop(stop, InvalidConsumer)
        handlers = Handlers(self)

        def handled(record: Record[M]) -> None:
            handlers.run(lambda: handle(record))

        await run_on_thread(
            lambda stopping: self._consumer.run(handled, stop=stopping), self.name, stop, handlers.cancel
        )

    def observe(self) -> AsyncDeliveries[M]:
        """Returns the records for `async for`; each counts as handled when it is given to `ack`.

        As RemoteConsumer.observe, and AsyncConsumer.observe for how it ends.
        """
        return AsyncDeliveries(self._consumer, self._turns)

    def ack(self, record: Record[Any]) -> None:
        """Counts a record that `observe` has given as handled, as RemoteConsumer.ack. Asks nobody."""
        self._consumer.ack(record)

    def stop(self) -> None:
        """Ends what runs. Does not wait."""
        self._consumer.stop()

    async def position(self) -> int | None:
        """Returns the seq up to which all is acknowledged, as RemoteConsumer.position."""
        return await self._threads.call(self._consumer.position)

    async def forget(self) -> bool:
        """Removes the position, as RemoteConsumer.forget."""
        return await self._threads.call(self._consumer.forget)


class AsyncRemoteOutbox:
    """The outbox behind a gateway, for asyncio; made by `outbox.remote_async`."""

    def __init__(self, url: str, *, token: str | None = None, messages: Sequence[type[Any]] = ()) -> None:
        self._outbox = RemoteOutbox(url, token=token, messages=messages)
        self._threads = Threads(CALLS, "outbox-remote")

    async def put(
        self, message: Message, *, headers: Mapping[str, str] | None = None, standalone: Literal[True] = True
    ) -> ObjectId:
        """Puts a message, once however often it must be tried, as RemoteOutbox.put."""
        return await self._threads.call(partial(self._outbox.put, message, headers=headers, standalone=standalone))

    def read(
        self,
        start: Start = "earliest",
        *,
        types: Types = None,
        key: Key | None = None,
        where: Where | None = None,
        on_event: OnRemoteEvent | None = None,
    ) -> AsyncGenerator[Record[Any]]:
        """Gives the records from `start` to the head, then ends, as RemoteOutbox.read."""
        portions = self._outbox.portions(self._outbox.asked(start, types, key, where), on_event)
        return self._records(portions, threading.Event())

    def observe(
        self,
        start: Start = "latest",
        *,
        types: Types = None,
        key: Key | None = None,
        where: Where | None = None,
        on_event: OnRemoteEvent | None = None,
    ) -> AsyncGenerator[Record[Any]]:
        """Gives what comes, as RemoteOutbox.observe, until it is left."""
        stop = threading.Event()
        query = self._outbox.asked(start, types, key, where)

        def portions() -> Iterator[list[Record[Any]]]:
            yield from self._outbox.coming(query, self._outbox.place(query), on_event, stop)

        return self._records(portions(), stop)

    async def _records(
        self, portions: Iterator[list[Record[Any]]], stop: threading.Event
    ) -> AsyncGenerator[Record[Any]]:
        try:
            while (portion := await self._threads.call(lambda: next(portions, None))) is not None:
                for record in portion:
                    yield record
        finally:
            stop.set()

    def consumer(
        self,
        name: str,
        *,
        types: Types = None,
        key: Key | None = None,
        start: Start = "earliest",
        on_event: OnRemoteEvent | None = None,
    ) -> AsyncRemoteConsumer[Any]:
        """Makes a consumer, as RemoteOutbox.consumer. Asks nobody."""
        made = self._outbox.consumer(name, types=types, key=key, start=start, on_event=on_event)
        return AsyncRemoteConsumer(made, self._threads)

    async def close(self) -> None:
        """Closes its connections. Idempotent."""
        self._outbox.close()
        self._threads.end()

    async def __aenter__(self) -> AsyncRemoteOutbox:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

"""A consumer's records as an asynchronous iterator, which are acknowledged by the program."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from functools import partial
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from outbox.aio.consumers.handlers import LoopStop
from outbox.aio.consumers.running import CANCEL_SECONDS, begin_on_thread
from outbox.aio.threads import hand_over
from outbox.consumers.observed import Observer
from outbox.errors import InvalidConsumer
from outbox.log.record import Record

M = TypeVar("M")

LINGER_SECONDS = 0.1
"""So long the consumer goes on after its iterator was cancelled, for it to be asked again."""
_YIELD = 100


class Observable(Protocol):
    """A consumer, whose records an observer may be given."""

    name: str
    id: str

    def deliver_to_observer(self, observer: Observer, stop: threading.Event, marks: bool) -> None: ...


class Turns:
    """The runs of one consumer for its iterators, of which there is one at a time."""

    def __init__(self) -> None:
        self.last: _Turn | None = None


class AsyncDeliveries(Generic[M]):
    """Gives a consumer's records, one after the other, for `async for`; made by AsyncConsumer.observe.

    It begins when the first record is asked for, and then the consumer runs, on a thread, until this is left. It is
    for one task at a time; a second one is refused. After a cancellation, or `asyncio.timeout`, nothing is lost: asked
    again at once, it goes on; asked later, it begins anew, and what was not acknowledged comes again. An error ends it,
    and so does `aclose`, or leaving its `async with`; one that is dropped needs neither.
    """

    def __init__(self, consumer: Observable, turns: Turns) -> None:
        """turns: the consumer's, which runs once at a time: one that was left is waited for by the next."""
        self._consumer = consumer
        self._turns = turns
        self._turn: _Turn | None = None
        self._taken = 0
        self._is_taken = False
        self._is_over = False

    def __aiter__(self) -> AsyncDeliveries[M]:
        return self

    async def __anext__(self) -> Record[M]:
        """Returns the next record. Raises what Consumer.run raises, and InvalidConsumer when another task is asking."""
        if self._is_taken:
            raise InvalidConsumer(
                f"another task is asking {self._consumer.id} for the next record: let one task give the records to the "
                "others by an asyncio.Queue; any of them may acknowledge"
            )
        self._is_taken = True
        try:
            while not self._is_over:
                turn = await self._begun()
                if (record := turn.taken()) is not None:
                    return record
                if turn.ended.done():
                    self._is_over = True
                    turn.ended.result()
                else:
                    await turn.wait()
        except asyncio.CancelledError:
            if self._turn is not None:
                self._turn.leave_soon()
            raise
        finally:
            self._is_taken = False
        raise StopAsyncIteration

    async def _begun(self) -> _Turn:
        """Returns the run that gives the records; a new one for the first, and after one that was left meanwhile."""
        self._taken += 1
        if self._taken % _YIELD == 0:
            await asyncio.sleep(0)  # a loop that keeps up would let nobody else run
        if self._turn is not None and self._turn.loop is not asyncio.get_running_loop():
            raise InvalidConsumer(f"{self._consumer.id} is observed in another event loop: call observe() in this one")
        if self._turn is None or self._turn.is_left:
            while (earlier := self._turns.last) is not None and earlier.is_left:
                await earlier.end()
                self._turns.last = None
            self._turn = self._turns.last = _Turn(self)
            self._turn.begin(self._consumer)
        return self._turn

    async def aclose(self) -> None:
        """Ends it, also for a task that waits for a record; what was acknowledged is saved. Idempotent."""
        self._is_over = True
        if self._turn is not None:
            self._turn.leave()
            await self._turn.end(CANCEL_SECONDS)

    async def __aenter__(self) -> AsyncDeliveries[M]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Turn:
    """One run of the consumer. Its thread knows the iterator by a weak reference only, and ends when that is gone."""

    def __init__(self, iterator: object) -> None:
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self._stop = _Stop(self.loop, iterator)
        self._records: deque[Record[Any]] = deque()
        self._waits: asyncio.Future[None] | None = None
        self._leaving: asyncio.TimerHandle | None = None

    def begin(self, consumer: Observable) -> None:
        """Begins the consumer's thread."""
        begin_on_thread(partial(consumer.deliver_to_observer, self, self._stop, False), consumer.name, self.ended)
        self.ended.add_done_callback(lambda _: self._wake())

    def on_next(self, record: Record[Any]) -> None:
        """Gives the loop a record. On the consumer's thread, which gives 1,000 at most that are not acknowledged."""
        self._records.append(record)
        if self._waits is not None:  # who waits has looked at the records after it said so
            hand_over(self.loop, self._wake)

    def taken(self) -> Record[Any] | None:
        """Takes the next record; None when there is none, or nobody could acknowledge it any more."""
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        if self.ended.done() or not self._records:
            return None
        return self._records.popleft()

    async def wait(self) -> None:
        """Returns when there may be a record, or no more to come."""
        self._waits = self.loop.create_future()
        try:
            if not self._records and not self.ended.done():
                await self._waits
        finally:
            self._waits = None

    async def end(self, seconds: float | None = None) -> None:
        """Waits until it has ended, for so long at most; not in another loop, where nobody could be told."""
        if self.loop is asyncio.get_running_loop():
            await asyncio.wait((self.ended,), timeout=seconds)

    def _wake(self) -> None:
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(None)

    @property
    def is_left(self) -> bool:
        """Tells whether it ends because its iterator was cancelled, or is gone."""
        return self._stop.is_left

    def leave(self) -> None:
        """Ends it."""
        self._stop.was_left = True
        self._stop.set()
        self._wake()

    def leave_soon(self) -> None:
        """Ends it, unless a record is taken at once."""
        self._leaving = self.loop.call_later(LINGER_SECONDS, self.leave)


class _Stop(LoopStop):
    """A stop that is set, too, once the iterator is gone: no lock is taken by the garbage collector."""

    def __init__(self, loop: asyncio.AbstractEventLoop, iterator: object) -> None:
        super().__init__(loop)
        self._iterator = weakref.ref(iterator)
        self.was_left = False

    @property
    def is_left(self) -> bool:
        return self.was_left or self._iterator() is None

    def is_set(self) -> bool:
        return super().is_set() or self.is_left

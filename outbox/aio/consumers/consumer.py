"""A consumer for asyncio: its handlers are tasks of the loop, what delivers to them is the synchronous consumer's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any, Generic, Literal, TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from outbox.aio.consumers.handlers import HandlerCancelled, Handlers
from outbox.aio.consumers.in_transaction import AsyncInTransaction
from outbox.aio.consumers.observed import AsyncDeliveries, Turns
from outbox.aio.consumers.running import check_stop, run_on_thread
from outbox.aio.synchronous import Synchronous
from outbox.aio.waiting import wait_until
from outbox.arguments import check_takes, is_asynchronous
from outbox.clock import SystemClock
from outbox.consumers.by_key import ByKey, Ended, RecordKey
from outbox.consumers.caught_up import CaughtUpWait
from outbox.consumers.consumer import Consumer
from outbox.consumers.decoding import Delivery
from outbox.consumers.in_turn import InTurn, Terms
from outbox.delivery.ports import Target
from outbox.errors import InvalidConsumer
from outbox.log.record import Record
from outbox.mongo.codec import Document

M = TypeVar("M")

Make = Callable[[Terms], Target[Delivery]]


class AsyncConsumer(Generic[M]):
    """Handles the messages of an outbox as Consumer does, with coroutines; made by AsyncOutbox.consumer.

    A run has a thread, and one for each share it works on, whatever its `concurrency`. Handlers run as tasks of the
    loop in which `run` was called, in its context, without a session that is bound there.
    """

    def __init__(
        self, sync: Synchronous, database: AsyncDatabase[Document], consumer: Consumer[M], concurrency: int
    ) -> None:
        self._sync = sync
        self._database = database
        self._consumer = consumer
        self._concurrency = concurrency
        self._turns = Turns()
        self.name = consumer.name
        self.id = consumer.id
        """What its cursor and its lease are called."""

    async def run(self, handle: Callable[[Record[M]], Awaitable[object]], *, stop: asyncio.Event | None = None) -> None:
        """Awaits `handle(record)` for each record; the record is acknowledged when that returns.

        It goes on until `stop` is set, `self.stop()` is called, the outbox is closed, or the program ends: then what
        runs is waited for. When the task is cancelled, handlers that run are cancelled, too, and their records come
        again. Raises as Consumer.run.
        """
        _check(handle, stop, "record")
        handle = self._consumer.traced(handle)
        handlers = Handlers(self._sync)

        def target(terms: Terms) -> Target[Delivery]:
            if self._concurrency > 1:
                return _ByKey(handle, handlers, self._concurrency, terms, self.name)
            return InTurn(lambda record: handlers.run(lambda: handle(record)), terms)

        await self._deliver(target, handlers, stop)

    async def run_in_transaction(
        self,
        handle: Callable[[Record[M], AsyncClientSession], Awaitable[object]],
        *,
        batch: int = 1,
        stop: asyncio.Event | None = None,
    ) -> None:
        """Awaits `handle(record, session)` for each record, in a transaction that moves the position, too.

        The session is of the AsyncMongoClient that the outbox was made with. What `handle` writes with it, also into
        another outbox of the same replica set, is written exactly once; it may be called more than once for a record.
        Ends and raises as `run`, and takes a `batch` as Consumer.run_in_transaction.
        """
        _check(handle, stop, "record", "session")
        self._consumer.check_batch(batch)
        handle = self._consumer.traced(handle)
        handlers = Handlers(self._sync)

        def target(terms: Terms) -> Target[Delivery]:
            return AsyncInTransaction(handle, batch, terms, handlers, self._database)

        await self._deliver(target, handlers, stop)

    async def _deliver(self, target: Make, handlers: Handlers, stop: asyncio.Event | None) -> None:
        await run_on_thread(partial(self._consumer.deliver_to, target), self.name, stop, handlers.cancel)

    def observe(self) -> AsyncDeliveries[M]:
        """Returns the records for `async for`; each counts as handled when it is given to `ack`.

        The consumer runs on a thread of its own while they are iterated over, and gives no more while 1,000 records are
        not acknowledged. They end at `stop()`, and when the outbox is closed; what `run` raises is raised by the
        iterator. `attempts` and `on_poison` are for handlers, and play no part.
        """
        return AsyncDeliveries(self._consumer, self._turns)

    def ack(self, record: Record[Any]) -> None:
        """Counts a record that `observe` has given as handled, as Consumer.ack. Asks no server."""
        self._consumer.ack(record)

    def stop(self) -> None:
        """Ends what runs, as the `stop` of `run`. Does not wait; does nothing when nothing runs."""
        self._consumer.stop()

    async def wait_caught_up(self, timeout: float = 5.0) -> None:
        """Returns when all that was committed before the call is handled, or put aside, as Consumer.wait_caught_up."""
        waiting = CaughtUpWait(self._sync.outbox.collections, self.id, SystemClock())
        await wait_until(self._sync, waiting.is_there, waiting.timed_out, timeout)

    async def position(self) -> int | None:
        """Returns the seq up to which all is handled, as Consumer.position."""
        return await self._sync.call(self._consumer.position)

    async def reset(self, to: Literal["earliest", "latest"] | int | datetime) -> int:
        """Sets the position, and returns it, as Consumer.reset."""
        return await self._sync.call(partial(self._consumer.reset, to))

    async def forget(self) -> bool:
        """Removes the position, as Consumer.forget."""
        return await self._sync.call(self._consumer.forget)


class _ByKey(ByKey):
    """Handles up to `concurrency` records at a time, as tasks instead of threads."""

    def __init__(
        self,
        handle: Callable[[Record[Any]], Awaitable[object]],
        handlers: Handlers,
        concurrency: int,
        terms: Terms,
        name: str,
    ) -> None:
        super().__init__(lambda record: None, concurrency, terms, name)
        self._handle_async = handle
        self._handlers = handlers

    def another(self) -> _ByKey:
        return _ByKey(self._handle_async, self._handlers, self._concurrency, self._terms, self._name)

    def _start(self, key: RecordKey, record: Record[object]) -> None:
        began = self._clock.monotonic()

        def ended(_: object, error: BaseException | None) -> None:
            self._ended.put(Ended(key, self._clock.monotonic() - began, error))

        self._handlers.begin(lambda: self._handle_async(record), ended)

    def _settle(self, ended: Ended) -> None:
        if isinstance(ended.error, HandlerCancelled):  # the run ends, and saves what the others have done
            self._running -= 1
        else:
            super()._settle(ended)


def _check(handle: object, stop: object, *of: str) -> None:
    if not callable(handle) or not is_asynchronous(handle):
        raise InvalidConsumer(
            f"handle={handle!r}: give an async function of a {' and a '.join(of)}: `async def handle({', '.join(of)})`"
        )
    check_takes("handle", handle, f"a {' and a '.join(of)}", InvalidConsumer, len(of))
    check_stop(stop, InvalidConsumer)

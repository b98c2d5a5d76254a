"""The reading half of an asynchronous outbox: observe, read, consume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from pymongo.asynchronous.database import AsyncDatabase

from outbox.aio.consumers.consumer import AsyncConsumer
from outbox.aio.growth import Growth
from outbox.aio.projection import AsyncProjection
from outbox.aio.records import AsyncRecords
from outbox.aio.synchronous import Synchronous
from outbox.dead_letters.policy import OnPoison
from outbox.events import OnEvent
from outbox.latest.first import asked_latest
from outbox.log.record import Record
from outbox.messages.message_types import Key, MessageTypes
from outbox.mongo.codec import Document
from outbox.projections.projecting import By
from outbox.projections.projection import Projection
from outbox.readers.query import History, OnGap, Where, asked
from outbox.readers.start import Start

M = TypeVar("M")
S = TypeVar("S")


class AsyncReading:
    """What can be read of an asynchronous outbox. It has no instances of its own: see outbox.aio.AsyncOutbox."""

    def __init__(self, sync: Synchronous, database: AsyncDatabase[Document], types: MessageTypes) -> None:
        self._sync = sync
        self._outbox = sync.outbox
        self._database = database
        self._types = types
        self._growth = Growth(self._outbox)

    def observe(
        self,
        start: Start = "latest",
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        where: Where | None = None,
        on_gap: OnGap = "error",
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> AsyncRecords:
        """Returns the records from `start` on, for `async for`; it goes on until it is left, or this is closed.

        Takes what Outbox.observe takes; `where`, `on_gap` and `on_event` are plain functions, called on the loop's
        thread. start="latest" means when the first record is asked for, or `async with orders.observe() as records:`
        is entered. Raises InvalidStart, InvalidSelector, InvalidArgument and UnknownMessage.
        """
        self._outbox.check_usable()
        query = asked(self._types, start, types, key, on_gap, where, on_event, archive)
        return AsyncRecords(self._sync, query, self._types.decode, self._growth)

    def read(
        self,
        start: Start = "earliest",
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        where: Where | None = None,
        on_gap: OnGap = "error",
        archive: History | None = None,
    ) -> AsyncRecords:
        """Returns the records from `start` to the head, for `async for`. Never sequences. Raises as `observe`."""
        self._outbox.check_usable()
        query = asked(self._types, start, types, key, on_gap, where, history=archive)
        return AsyncRecords(self._sync, query, self._types.decode, None)

    def latest(self, types: Sequence[str | type[Any]] | None = None) -> AsyncRecords:
        """Returns the newest record of each compaction id, by seq, and then the live records of these types.

        Takes what Outbox.latest takes. The first part is read a portion at a time, as the log is, each as of its own
        moment: what has changed since the first one comes among the live records, and only there. Raises
        InvalidSelector and UnknownMessage; the iterator also InvalidSelector, for a type that is not compacted.
        """
        self._outbox.check_usable()
        query = asked_latest(self._types, types, self._outbox.collections)
        return AsyncRecords(self._sync, query, self._types.decode, self._growth)

    @overload
    def consumer(
        self,
        name: str,
        *,
        types: Sequence[type[M]],
        key: Key | None = None,
        start: Start = "earliest",
        shares: int | None = None,
        concurrency: int = 1,
        attempts: int | None = 10,
        on_poison: OnPoison = "park-key",
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> AsyncConsumer[M]: ...
    @overload
    def consumer(
        self,
        name: str,
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        start: Start = "earliest",
        shares: int | None = None,
        concurrency: int = 1,
        attempts: int | None = 10,
        on_poison: OnPoison = "park-key",
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> AsyncConsumer[Any]: ...
    def consumer(
        self,
        name: str,
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        start: Start = "earliest",
        shares: int | None = None,
        concurrency: int = 1,
        attempts: int | None = 10,
        on_poison: OnPoison = "park-key",
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> AsyncConsumer[Any]:
        """Makes a consumer: it handles messages with coroutines, and remembers under its name where it is.

        Takes what Outbox.consumer takes; `on_event` is called on a thread of the consumer's. Asks no server. Raises
        InvalidConsumer, InvalidName, InvalidStart, InvalidSelector and UnknownMessage.
        """
        consumer = self._outbox.consumer(
            name,
            types=types,
            key=key,
            start=start,
            shares=shares,
            concurrency=concurrency,
            attempts=attempts,
            on_poison=on_poison,
            on_event=on_event,
            archive=archive,
        )
        return AsyncConsumer(self._sync, self._database, consumer, concurrency)

    @overload
    def projection(
        self,
        name: str,
        *,
        apply: Callable[[S, Record[M]], S],
        initial: Callable[[], S],
        types: Sequence[type[M]],
        by: By | None = None,
        snapshot_every: int = 1000,
        version: int = 1,
        shares: int | None = None,
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> AsyncProjection[S]: ...
    @overload
    def projection(
        self,
        name: str,
        *,
        apply: Callable[[S, Record[Any]], S],
        initial: Callable[[], S] = ...,
        types: Sequence[str | type[Any]] | None = None,
        by: By | None = None,
        snapshot_every: int = 1000,
        version: int = 1,
        shares: int | None = None,
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> AsyncProjection[S]: ...
    def projection(
        self,
        name: str,
        *,
        apply: Callable[[Any, Record[Any]], Any],
        initial: Callable[[], Any] = dict,
        types: Sequence[str | type[Any]] | None = None,
        by: By | None = None,
        snapshot_every: int = 1000,
        version: int = 1,
        shares: int | None = None,
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> AsyncProjection[Any]:
        """Makes a projection: states in `NAME.states`, made of messages, and stored with the position under its name.

        Takes what Outbox.projection takes; `apply`, `initial` and `by` are plain functions, and `on_event`, as they, is
        called on the projection's thread. Asks no server. Raises InvalidProjection, InvalidName, InvalidSelector and
        UnknownMessage.
        """
        projection: Projection[Any] = self._outbox.projection(
            name,
            apply=apply,
            initial=initial,
            types=types,
            by=by,
            snapshot_every=snapshot_every,
            version=version,
            shares=shares,
            on_event=on_event,
            archive=archive,
        )
        return AsyncProjection(self._sync, projection)

"""The reading half of an outbox: observe, read, consume, and ask how far each reader is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, overload
from weakref import WeakSet

from bson import ObjectId
from pymongo.database import Database
from reactivex import Observable

from outbox import location, reader_status
from outbox.consumers.consumer import Consumer
from outbox.dead_letters.store import OnPoison
from outbox.events import OnEvent
from outbox.latest.first import LatestFirst
from outbox.latest.keeper import keep_latest
from outbox.location import Location
from outbox.log.log import Log
from outbox.log.record import Decode, Record
from outbox.messages.message_types import Key, MessageTypes
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections
from outbox.mongo.lease import SECONDS
from outbox.mongo.server_errors import patient
from outbox.projections.projecting import Projecting
from outbox.projections.projection import Projection
from outbox.reader_status import ReaderStatus
from outbox.readers.background import BackgroundThreads
from outbox.readers.head import Head
from outbox.readers.observable import Subscriptions
from outbox.readers.query import OnGap, Where, asked
from outbox.readers.reader import LogReader
from outbox.readers.start import Start, resolve
from outbox.sequencer.change_stream import AWAIT_SECONDS

M = TypeVar("M")

STOP_SECONDS = 2.0


class Reading(Projecting, ABC):
    """What can be read of an outbox. It has no instances of its own: see outbox.Outbox."""

    def __init__(self, database: Database[Any], name: str, types: MessageTypes, *, sequence: bool) -> None:
        self.collections = Collections(database, name)
        self.log = Log(self.collections)
        self._types = types
        self._feed = BackgroundThreads(self.collections, sequencing=sequence, beside=keep_latest)
        self._subscriptions = Subscriptions(self.collections, self._feed, self._types.decode, self.check_usable)
        self._consumers: WeakSet[Consumer[Any] | Projection[Any]] = WeakSet()

    @property
    def name(self) -> str:
        return self.collections.name

    @property
    def decode(self) -> Decode:
        """What makes the `message` of a record, for readers that are given records which have none yet."""
        return self._types.decode

    @abstractmethod
    def check_usable(self) -> None:
        """Raises OutboxClosed once it is closed, or in a process that was forked."""

    def _end_reading(self) -> None:
        for consumer in list(self._consumers):
            consumer.stop()
        for consumer in list(self._consumers):
            consumer.join(STOP_SECONDS)
        self._subscriptions.complete(STOP_SECONDS)
        self._feed.join(STOP_SECONDS)

    def observe(
        self,
        start: Start = "latest",
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        where: Where | None = None,
        on_gap: OnGap = "error",
        on_event: OnEvent | None = None,
    ) -> Observable[Record[Any]]:
        """The records from `start` on, as a cold Observable that goes on until it is disposed of or this is closed.

        start: "latest", "earliest", a seq (inclusive) or a datetime (the first record created then or later; naive
            means UTC), resolved at each subscription.
        types: message classes or type names; None for all. A name that no service has declared is warned of.
        key: one key only, or the value that it is the text of: an int, ObjectId or UUID.
        where: a predicate; what it refuses is passed over. What it raises goes to `on_error`, and names the record.
        on_gap: "error", or a function that is told of HistoryLost before reading goes on at the oldest record.
        on_event: is told what each subscription does (`outbox.events`), on its thread; Stopped comes once, last.

        Each subscription has a daemon thread that calls `on_next` serially and reads no further while it runs. What
        `on_next` raises goes to `on_error` (also SystemExit: the program goes on), as do HistoryLost, LogReplaced,
        OutboxNotCreated, and errors of the server that do not pass by themselves. With "latest", what is put after
        `subscribe` returned is delivered; it asks the server, for 5 s, or else when that answers. Raises InvalidStart,
        InvalidSelector, InvalidArgument and UnknownMessage.
        """
        self.check_usable()
        return self._subscriptions.observable(asked(self._types, start, types, key, on_gap, where, on_event))

    def read(
        self,
        start: Start = "earliest",
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        where: Where | None = None,
        on_gap: OnGap = "error",
    ) -> Iterator[Record[Any]]:
        """The records from `start` to the head, then ends. Never sequences. Takes what `observe` takes.

        Raises what `observe` does, and while iterating HistoryLost, LogReplaced, OutboxNotCreated, pymongo's errors,
        and what `where` raises.
        """
        self.check_usable()
        return self._subscriptions.read(asked(self._types, start, types, key, on_gap, where))

    def latest(self, types: Sequence[str | type[Any]] | None = None) -> Observable[Record[Any]]:
        """The newest record of each compaction id, by seq, and then the live records of these types, tombstones too.

        types: compacted ones; None for all of them. The first part is the view `NAME.latest` as of one moment, without
        the ids that a tombstone has ended; the second begins just after it: no gap, and nothing twice. All else is as
        for `observe`; HistoryLost when the log has rolled over where the second part was. Raises InvalidSelector for a
        type that is not compacted, UnknownMessage.
        """
        self.check_usable()
        query = asked(self._types, 1, types, None)
        first = partial(LatestFirst, self.collections, query.types, self._types.decode)
        return self._subscriptions.observable(replace(query, first=first))

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
    ) -> Consumer[M]: ...
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
    ) -> Consumer[Any]: ...
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
    ) -> Consumer[Any]:
        """Makes a consumer: it handles messages in this process, and remembers under its name where it is.

        types, key: which messages, as for `observe`. start: where it begins when it has no position yet.
        shares: into how many the keys are divided, so that as many processes can work at a time; counts when it has no
            position yet (None: 1), and must be right later.
        concurrency: how many records of different keys are handled at a time, in each process, or each share of it.
        attempts: how often a failing record is tried before it is given up; None for ever. on_poison: what then
            happens to it: "park-key" keeps it in `NAME.dead`, and the later ones of its key with it; "dead-letter"
            keeps it alone; "stop" raises PoisonMessage.
        on_event: is told what the consumer does, see outbox.events.

        Asks no server. Raises InvalidConsumer, InvalidName, InvalidStart, InvalidSelector and UnknownMessage."""
        self.check_usable()
        made: Consumer[Any] = Consumer(
            self,
            name,
            asked(self._types, start, types, key, "error"),
            self._types.decode,
            shares=shares,
            concurrency=concurrency,
            attempts=attempts,
            on_poison=on_poison,
            on_event=on_event,
        )
        self._consumers.add(made)
        return made

    @outside_bound_session
    def reader(self, start: Start = "earliest") -> LogReader:
        """A reader from `start` on, woken by this process's tail while `running()`. For relays and consumers that keep
        their own position. Raises InvalidStart, HistoryLost, OutboxNotCreated and pymongo's errors."""
        self.check_usable()
        return LogReader(self.collections, resolve(start, self.log), head=self._feed.head, decode=self._types.decode)

    def running(self, await_seconds: float = AWAIT_SECONDS, lease: float = SECONDS) -> AbstractContextManager[Head]:
        """Keeps this process's tail and its turn at sequencing alive inside the `with`, as a subscription does.

        await_seconds: how long the server waits for a change before it answers. The longer, the fewer are asked while
        nothing happens; a thread that asked may live on as long after the `with`. lease: the sequencer's lease time, in
        seconds. The first one's count for all that are inside.
        """
        self.check_usable()
        return self._feed.running(await_seconds, lease)

    @outside_bound_session
    @patient
    def readers(self) -> list[ReaderStatus]:
        """Tells how far each durable reader is that has begun, and who works for it. Raises as `status`."""
        self.check_usable()
        return reader_status.readers(self.collections)

    @outside_bound_session
    @patient
    def find(self, message_id: ObjectId | str) -> Location:
        """Tells where a message is now, and which durable readers have passed it.

        message_id: what `put` returned, or its 24 hex digits as on Kafka. A message that the log does not hold makes
        the server read the whole log. Raises InvalidSelector, OutboxNotCreated and pymongo's errors.
        """
        self.check_usable()
        return location.find(self.collections, self.log, location.message_id(message_id))

    @outside_bound_session
    def wait_for(self, message_id: ObjectId | str, reader: str, timeout: float = 5.0) -> None:
        """Returns when a durable reader, such as `relay:kafka`, has passed a message.

        For reading what one has written, once it is committed: within its transaction nobody sees it.

        timeout: seconds. Raises WaitTimeout, which says where the message is instead, InvalidSelector, InvalidName,
        InvalidArgument, OutboxNotCreated, and errors of the server that do not pass by themselves.
        """
        self.check_usable()
        location.wait_for(self.collections, self.log, location.message_id(message_id), reader, timeout)

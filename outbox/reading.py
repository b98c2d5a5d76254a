"""The reading half of an outbox on a server: what Observing has, and asking how far each reader is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from bson import ObjectId
from pymongo.database import Database
from reactivex import Observable

from outbox import location, reader_status
from outbox.consumers.config import Asked, Deliveries, StoredDeliveries
from outbox.history.source import HistorySource
from outbox.latest.first import asked_latest
from outbox.latest.keeper import keep_latest
from outbox.location import Location
from outbox.log.log import Log
from outbox.log.record import Record
from outbox.messages.message_types import MessageTypes
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections
from outbox.mongo.lease import SECONDS
from outbox.mongo.server_errors import patient
from outbox.observing import STOP_SECONDS, Observing
from outbox.projections.projecting import Projecting
from outbox.reader_status import ReaderStatus
from outbox.readers.background import BackgroundThreads
from outbox.readers.head import Head
from outbox.readers.query import History
from outbox.readers.reader import LogReader
from outbox.readers.start import Start, resolve
from outbox.sequencer.change_stream import AWAIT_SECONDS


class Reading(Observing, Projecting):
    """What can be read of an outbox. It has no instances of its own: see outbox.Outbox."""

    def __init__(self, database: Database[Any], name: str, types: MessageTypes, *, sequence: bool) -> None:
        self.collections = Collections(database, name)
        self.log = Log(self.collections)
        self._feed = BackgroundThreads(self.collections, sequencing=sequence, beside=keep_latest)
        super().__init__(types, HistorySource(self.collections, self._feed, types.decode))

    @property
    def name(self) -> str:
        return self.collections.name

    @property
    def sequences(self) -> bool:
        """Whether this process numbers messages, too, while it reads."""
        return self._feed.sequencing

    @outside_bound_session
    @patient
    def _head(self) -> int:
        """See Observing."""
        self.check_usable()
        return self.log.head()

    def _deliveries(self, asked: Asked) -> Deliveries:
        return StoredDeliveries(self, asked, self._types.decode)

    def _end_reading(self, consumer_seconds: float = STOP_SECONDS) -> None:
        super()._end_reading(consumer_seconds)
        self._feed.join(STOP_SECONDS)

    def latest(self, types: Sequence[str | type[Any]] | None = None) -> Observable[Record[Any]]:
        """The newest record of each compaction id, by seq, and then the live records of these types, tombstones too.

        types: compacted ones; None for all of them. The first part is the view `NAME.latest` as of one moment, without
        the ids that a tombstone has ended; the second begins just after it: no gap, and nothing twice. All else is as
        for `observe`; HistoryLost when the log has rolled over where the second part was. Raises InvalidSelector for a
        type that is not compacted, UnknownMessage.
        """
        self.check_usable()
        return self._subscriptions.observable(asked_latest(self._types, types, self.collections))

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
    def find(self, message_id: ObjectId | str, archive: History | None = None) -> Location:
        """Tells where a message is now, and which durable readers have passed it.

        message_id: what `put` returned, or its 24 hex digits as on Kafka. A message that the log does not hold makes
        the server read the whole log. archive: an outbox.archive.Archive, which is looked through when it is nowhere
        else. Raises InvalidSelector, OutboxNotCreated and pymongo's errors; with an archive OSError and ArchiveDamaged.
        """
        self.check_usable()
        return location.find(self.collections, self.log, location.message_id(message_id), archive)

    @outside_bound_session
    def wait_for(self, message_id: ObjectId | str, reader: str, timeout: float = 5.0) -> None:
        """Returns when a durable reader, such as `relay:kafka`, has passed a message.

        For reading what one has written, once it is committed: within its transaction nobody sees it.

        timeout: seconds. Raises WaitTimeout, which says where the message is instead, InvalidSelector, InvalidName,
        InvalidArgument, OutboxNotCreated, and errors of the server that do not pass by themselves.
        """
        self.check_usable()
        location.wait_for(self.collections, self.log, location.message_id(message_id), reader, timeout)

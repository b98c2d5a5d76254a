"""A reader: pulls the log's records from one position on, in order, gapless or loudly not."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from bson import ObjectId
from bson.binary import Binary

from outbox.clock import SystemClock, seconds_in_step
from outbox.errors import HistoryLost, LogReplaced, OutboxNotCreated
from outbox.log.batch import Batch
from outbox.log.log import Log, identity
from outbox.log.record import Decode, Record
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections
from outbox.readers.head import Head
from outbox.readers.recent import Recent, Sight, Times

READ_BYTES = 1 << 20
_MOST = 1000
_FIRST = 4
_AGAIN_SECONDS = 0.1
REST_SECONDS = 10.0
"""This often the server is asked even if this process is the one that appends."""
_DUE_SECONDS = 9.5  # less than a rest, after which it is due
_LOOK_SECONDS = 1.0
"""This often if it is not."""
CLOCK = SystemClock()
_DROPPED = (
    "the log was dropped, and perhaps made anew, while it was being read; a position in the old one means nothing in "
    "another. A subscriber starts again from 'earliest'"
)


class LogReader:
    """Reads from `position` on, at the caller's own pace: nothing is fetched ahead. Not thread-safe; close it.

    `position` is the seq of the next record it will give. Reading from 1 means all of history; the log may no longer
    hold it, and says so with HistoryLost.
    """

    def __init__(
        self, collections: Collections, position: int, *, head: Head | None = None, decode: Decode | None = None
    ) -> None:
        self.position = position
        self._log = Log(collections)
        self._head = head
        self._decode = decode
        self._client = collections.client
        self._session = self._client.start_session(causal_consistency=True)
        self._uuid: Binary = self._log.describe().uuid
        self.identity = identity(collections.log.full_name, self._uuid)
        """Of the log that it reads; never of another one, for meeting that is LogReplaced."""
        self._last: Batch | None = None
        self._breaks = 0 if head is None else head.breaks
        self._rings = -1
        self._inside = True
        self._limit = _FIRST
        self._asked_at = 0.0
        self._is_resting = False
        self._verified: Batch | None = None
        self._seen_at: Times = None, None
        self._told_at: Times = None, None
        if head is not None:
            head.fetch_cache.enter()

    def read(self) -> list[Record[Any]]:
        """The next records, some 1 or 2 MiB of the log; none at the head.

        Never a partial answer: a call that raised may be made again.

        Raises HistoryLost when the log has rolled over the position, LogReplaced when this is another log than it was,
        LogCorrupt, and pymongo's errors.
        """
        position = self.position
        batches = self.read_batches()
        try:
            return [record for batch in batches for record in batch.records(self._decode)]
        except BaseException:  # KeyboardInterrupt too: whoever goes on after it must not miss them
            self.move(position)
            raise

    @outside_bound_session
    def read_batches(self) -> list[Batch]:
        """As `read`, with nothing decoded yet. The first one's `skip` says where in it the position was."""
        self._resume()
        if self._head is not None:
            self._rings = self._head.rings
            breaks = self._head.breaks
            if breaks != self._breaks:
                self.verify()
                self._breaks = breaks
            self._head.advance(self._session)
        batches = self._appended()
        if batches is None:
            batches = self._fetch()
        if not batches:
            return []
        return self._in_order(batches)

    def _appended(self) -> Sequence[Batch] | None:
        """What this process itself has appended; None when the server is to be asked."""
        if self._head is None:
            return None
        found = self._head.append_cache.since(self.position, READ_BYTES)
        if found == [] and self._is_due(self._head):
            return None
        return found

    def _is_due(self, head: Head) -> bool:
        """Tells whether to ask the server all the same: one of the readers that wait at a place does so for all."""
        now, asked = time.monotonic(), head.asked
        another = asked[1] if asked is not None and asked[0] == self.position else 0.0
        if now - max(another, self._asked_at) < _DUE_SECONDS:
            return False
        head.asked = self.position, now
        return True

    def _fetch(self) -> Sequence[Batch]:
        self._asked_at = time.monotonic()
        if self._inside:  # a position given from outside may be in the middle of a batch
            found = self._log.batch_at(self.position, self._session)
            if found is not None and found.last >= self.position:
                return [found]
        if self._head is None or not self._head.is_followed:  # only the tail tells that the log may be another one
            return self._since()
        return self._head.fetch_cache.read((bytes(self._uuid), self.position), self._since)

    def _since(self) -> Sequence[Batch]:
        return self._log.batches_from(self.position, self._limit, self._session)

    def _in_order(self, batches: Sequence[Batch]) -> list[Batch]:
        if self._inside and batches[0].first < self.position:
            batches = [batches[0]._replace(skip=self.position - batches[0].first), *batches[1:]]
        expected = self.position - batches[0].skip
        whole: list[Batch] = []
        for batch in batches:
            if batch.first != expected:
                if whole:
                    break  # deliver what is whole; the next read meets the gap first
                raise HistoryLost(expected, batch.first)
            whole.append(batch)
            expected = batch.last + 1
        average = sum(len(each.raw) for each in batches) // len(batches)
        self._limit = min(_MOST, READ_BYTES // average + 1)
        self._inside = False
        self.position = expected
        self._last = whole[-1]
        return whole

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """Until the log has grown since the last `read` (True), `stop` is set and the tail woken, or `seconds` passed.

        Sooner, as long as others append: the tail can fall silent, and only reading again finds what came meanwhile.
        """
        if self._head is None:
            return False
        longest = REST_SECONDS if self._head.append_cache.fence else _LOOK_SECONDS
        seconds = min(seconds, seconds_in_step(CLOCK, longest))
        # What the tail has seen and the majority has not: it will not ring for that again.
        is_due = self._head.seq >= self.position
        return self._head.wait(self._rings, min(seconds, _AGAIN_SECONDS) if is_due else seconds, stop)

    def wake(self) -> None:
        """Ends the `wait` of this reader, and of the others of its head. May be called from any thread."""
        if self._head is not None:
            self._head.wake()

    @outside_bound_session
    def verify(self) -> None:
        """Raises LogReplaced unless this is the very log that was read so far. Also pymongo's errors."""
        try:
            if self._log.describe().uuid != self._uuid:
                raise LogReplaced(_DROPPED)
            self._verify_last()
        except OutboxNotCreated as gone:
            raise LogReplaced(_DROPPED) from gone

        self._verified = self._last

    def _verify_last(self) -> None:
        if self._last is None:
            return
        seq, id, _ = self._last.heads()[-1]
        # Causally after what was read: the majority of a new primary may lag behind the old one's for a moment.
        record = self._log.record_at(seq, self._session)
        is_behind = record is None and self._log.head(self._session) < seq
        if is_behind or (record is not None and record.id_bytes != id):
            raise LogReplaced(
                f"the log holds another record at seq {seq} than the one that was read there ({ObjectId(id)}): it was "
                "restored from a backup, or replaced. A subscriber starts again from 'earliest'"
            )

    def sight(self) -> Sight:
        """Tells how it knows what it has just read, for others to go on by it."""
        times = self._session.cluster_time, self._session.operation_time
        return Sight(self._uuid, self._head, self._breaks, self._verified, times)

    def told(self, recent: Recent) -> list[Batch] | None:
        """As `read_batches`, by what another reader has read; no I/O. None: it is to read by itself."""
        sight = recent.sight
        if sight is None or not self._trusts(sight):
            return None
        batches = recent.since(self.position)
        if not batches:
            return batches
        self._breaks, self._told_at = sight.breaks, sight.times
        return self._in_order(batches)

    def _trusts(self, sight: Sight) -> bool:
        """Tells whether that other reader reads the very log that this one has read so far."""
        is_verified = self._breaks == sight.breaks or self._last is None or self._last is sight.verified
        return is_verified and self._uuid == sight.uuid and self._head is sight.head

    def move(self, position: int) -> None:
        """Goes on from another seq."""
        self.position = position
        self._inside = True

    def rest(self) -> None:
        """Gives the session back until the next read. For readers of which there are thousands, most of them waiting.

        The next read happens after what was read before, all the same.
        """
        if not self._session.has_ended:
            self._seen_at = self._session.cluster_time, self._session.operation_time
            self.close()
            self._is_resting = True

    def _resume(self) -> None:
        if not self._is_resting:
            return
        self._is_resting = False
        self._session = self._client.start_session(causal_consistency=True)
        for cluster_time, operation_time in (self._seen_at, self._told_at):
            if cluster_time is not None and operation_time is not None:
                self._session.advance_cluster_time(cluster_time)
                self._session.advance_operation_time(operation_time)
        if self._head is not None:
            self._head.fetch_cache.enter()

    def follow(self, head: Head) -> None:
        """Is woken by this head from now on. The log may have become another meanwhile: the next read looks."""
        if head is not self._head:
            self.rest()
            self._head = head
            self._breaks = -1

    def close(self) -> None:
        """Ends the reader's session. Reads nothing afterwards. Closing twice does nothing."""
        if self._head is not None and not self._session.has_ended:
            self._head.fetch_cache.leave()
        self._session.end_session()
        self._is_resting = False

"""Deletes from staging what the log holds, beside the sequencer, which appends more meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from typing import NamedTuple

from bson import ObjectId, Timestamp
from pymongo.collection import Collection

from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document

DELETE_SECONDS = 15.0  # 10,000 deletes take 0.3 s on three nodes that share two cores; a slow disk may need far more
WORTH_BYTES = 256 << 10
_WORTH = 200  # a delete of 1 costs the server 1.1 ms, of 20 1.4, of 200 4.6 (measured)
_AT_ONCE = 2  # two at once take 7 µs a message, one takes 11 (measured, one node)


class _Part(NamedTuple):
    first: int
    ids: frozenset[bytes]
    deleted: Future[Timestamp]


class StagingCleanup:
    """Deletes on `threads`, at most two at once. Not thread-safe.

    By id, never by a range of `at`: a transaction that commits late may stand inside the range. With majority: a
    snapshot may be older than a `w: 1` delete, and would show the message again.
    """

    def __init__(self, staging: Collection[Document], threads: Executor) -> None:
        self._staging = staging
        self._threads = threads
        self._parts: deque[_Part] = deque()
        self._waiting: set[bytes] = set()
        self._waiting_bytes = 0
        self._first = 0  # of those that wait
        self.time = Timestamp(0, 0)
        """When the newest of the acknowledged deletes was, by the server's logical clock."""

    @property
    def ids(self) -> frozenset[bytes]:
        """The messages whose delete is under way or yet to begin."""
        return frozenset(self._waiting).union(*(part.ids for part in self._parts))

    def undeleted(self, otherwise: int) -> int:
        """The lowest seq whose delete is not acknowledged; `otherwise` when all are. Raises what a delete raised."""
        self._reap()
        if self._parts:
            return self._parts[0].first
        return self._first if self._waiting else otherwise

    def add(self, first: int, ids: Iterable[bytes], size: int, most: int) -> None:
        """Begins to delete what was appended from seq `first` on, unless it is so little that it can wait for more.

        size: the bytes it has in the log. most: as many may wait. Waits for earlier ones; raises what they raised.
        """
        if not self._waiting:
            self._first = first
        self._waiting.update(ids)
        self._waiting_bytes += size
        if len(self._waiting) >= _WORTH or self._waiting_bytes >= most:
            self.flush()

    def flush(self) -> None:
        """Begins to delete all that was given to `add`. Waits for earlier ones; raises what they raised."""
        self._reap()
        if not self._waiting:
            return
        while len(self._parts) >= _AT_ONCE:
            self._finish()
        part = frozenset(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._parts.append(_Part(self._first, part, self._threads.submit(self.delete, part)))

    def wait_until_at_most(self, most: int = 0) -> None:
        """Waits until at most so many messages are yet to be deleted. Raises what their deletes raised."""
        if len(self._waiting) > most:
            self.flush()
        while sum(len(part.ids) for part in self._parts) > most:
            self._finish()

    def abandon(self) -> None:
        """After an error: whoever takes over deletes again what is in the log and was not acknowledged."""
        self._parts.clear()
        self._waiting.clear()
        self._waiting_bytes = 0
        self.time = Timestamp(0, 0)

    def _reap(self) -> None:
        while self._parts and self._parts[0].deleted.done():
            self._finish()

    def _finish(self) -> None:
        self.time = max(self.time, self._parts[0].deleted.result())
        self._parts.popleft()

    def delete(self, ids: Iterable[bytes]) -> Timestamp:
        """Deletes now, on this thread; says when that was. Raises pymongo's errors."""
        wanted = [ObjectId(each) for each in ids]
        if not wanted:
            return Timestamp(0, 0)
        with time_limit(DELETE_SECONDS), self._staging.database.client.start_session() as session:
            self._staging.delete_many({"_id": {"$in": wanted}}, session=session)
            return session.operation_time or Timestamp(0, 0)

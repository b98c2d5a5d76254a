"""Clearing: deleting from staging what the log holds, beside the sequencer, which appends more meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from typing import NamedTuple

from bson import ObjectId
from pymongo.collection import Collection

from outbox.collections import Document, call

DELETE_SECONDS = 15.0  # 10,000 deletes take 0.3 s on three nodes that share two cores; a slow disk may need far more
_AT_ONCE = 2  # two at once take 7 µs a message, one takes 11 (measured, one node)


class _Part(NamedTuple):
    first: int
    ids: frozenset[bytes]
    deleted: Future[None]


class Clearing:
    """Deletes on `threads`, at most two at once. Not thread-safe.

    By id, never by a range of `at`: a transaction that commits late may stand inside the range. With majority: a
    snapshot may be older than a `w: 1` delete, and would show the message again.
    """

    def __init__(self, staging: Collection[Document], threads: Executor) -> None:
        self._staging = staging
        self._threads = threads
        self._parts: deque[_Part] = deque()

    @property
    def ids(self) -> frozenset[bytes]:
        """The messages whose delete is under way."""
        return frozenset().union(*(part.ids for part in self._parts))

    def undeleted(self, otherwise: int) -> int:
        """The lowest seq whose delete is not acknowledged; `otherwise` when all are. Raises what a delete raised."""
        while self._parts and self._parts[0].deleted.done():
            self._finish()
        return self._parts[0].first if self._parts else otherwise

    def begin(self, first: int, ids: Iterable[bytes]) -> None:
        """Begins to delete what was appended from seq `first` on. Waits for earlier ones; raises what they raised."""
        while len(self._parts) >= _AT_ONCE:
            self._finish()
        part = frozenset(ids)
        self._parts.append(_Part(first, part, self._threads.submit(self.delete, part)))

    def settle(self, most: int = 0) -> None:
        """Waits until the deletes of at most so many messages are under way. Raises what they raised."""
        while sum(len(part.ids) for part in self._parts) > most:
            self._finish()

    def forget(self) -> None:
        """After an error: whoever takes over deletes again what is in the log and was not acknowledged."""
        self._parts.clear()

    def _finish(self) -> None:
        self._parts[0].deleted.result()
        self._parts.popleft()

    def delete(self, ids: Iterable[bytes]) -> None:
        """Deletes now, on this thread. Raises pymongo's errors."""
        wanted = [ObjectId(each) for each in ids]
        if wanted:
            with call(DELETE_SECONDS):
                self._staging.delete_many({"_id": {"$in": wanted}})

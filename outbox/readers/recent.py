"""The records that one reader read last, for others of the same log that come to the same place."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bson import Timestamp
from bson.binary import Binary

from outbox.log.batch import Batch
from outbox.readers.head import Head

KEPT_BYTES = 2 << 20

Times = tuple[Mapping[str, Any] | None, Timestamp | None]
"""The cluster time and the operation time of a session."""


class Sight(NamedTuple):
    """How a reader knows what it has read to be the log's."""

    uuid: Binary
    head: Head | None
    breaks: int
    """How often the tail had ended when the reader last made sure that the log is the one it has read before."""
    verified: Batch | None
    """What it had read last when it made sure."""
    times: Times
    """Of the session that it read in; what comes after it is to be read no earlier."""


class Recent:
    """The end of the log as one reader has read it. Not thread-safe.

    Thousands of others that wait at its place need no thread, session or read of their own for a record.
    """

    def __init__(self) -> None:
        self.sight: Sight | None = None
        """None while nothing is known."""
        self._batches: list[Batch] = []
        self._bytes = 0
        self._next = 0

    def add(self, sight: Sight, batches: Sequence[Batch], position: int) -> None:
        """Keeps what was read, after which the reader is at `position`."""
        if self.sight is None or self.sight.breaks != sight.breaks:
            self.forget()
        self.sight, self._next = sight, position
        self._batches += batches
        self._bytes += sum(len(batch.raw) for batch in batches)
        old = 0
        while self._bytes > KEPT_BYTES and old < len(self._batches) - 1:
            self._bytes -= len(self._batches[old].raw)
            old += 1
        del self._batches[:old]

    def forget(self) -> None:
        """Forgets all: the reader has failed, or is another."""
        self.sight = None
        self._batches = []
        self._bytes = 0

    def since(self, position: int) -> list[Batch] | None:
        """Gives the batches from the one that begins at `position` on; none at the head. None: only a read can tell."""
        if self.sight is None:
            return None
        if position == self._next:
            return []
        at = bisect_left(self._batches, position, key=lambda batch: batch.first)
        found = self._batches[at:]
        return found if found and found[0].first == position else None

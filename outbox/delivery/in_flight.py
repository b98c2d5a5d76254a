"""Keeps what was sent and not yet acknowledged, and up to where everything is delivered."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from bson import ObjectId

from outbox.log.position import Mark, Position
from outbox.log.record import moment


class InFlight:
    """Turns acknowledgements in any order into the contiguous prefix: the position up to which all is delivered.

    Not thread-safe.
    """

    def __init__(self, prefix: Position) -> None:
        self.prefix = prefix
        self._sent: deque[Mark] = deque()
        self._acknowledged: set[int] = set()
        self.acknowledged = self._acknowledged.add
        """Call it with the seq of each record that was delivered. The set's own method, for speed."""

    def __len__(self) -> int:
        """Counts the records that were sent and are not yet in the prefix."""
        return len(self._sent)

    @property
    def beyond(self) -> Collection[int]:
        """Returns the seqs that are acknowledged and not yet in the prefix."""
        return self._acknowledged

    def sent(self, marks: Iterable[Mark]) -> None:
        """Adds records, in the order they were sent in."""
        self._sent.extend(marks)

    def advance(self) -> Position:
        """Moves the prefix over all that is acknowledged without a gap, and returns it."""
        sent, acknowledged = self._sent, self._acknowledged
        last: Mark | None = None
        while sent and sent[0][0] in acknowledged:
            last = sent.popleft()
            acknowledged.remove(last[0])
        if last is not None:
            seq, created, id = last
            self.prefix = seq, moment(created), ObjectId(id)
        return self.prefix

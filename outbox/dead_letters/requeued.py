"""Dead letters that were requeued, as a pump takes them: in the place of the log, and of the cursor."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from bson import ObjectId

from outbox.clock import SystemClock
from outbox.dead_letters.store import DeadLetterStore
from outbox.errors import PoisonMessage
from outbox.log.position import Position
from outbox.log.record import Record

_MACHINE = SystemClock()


class DecodedBatch(NamedTuple):
    """Records that have been decoded already."""

    decoded: Sequence[Record[Any]]

    def records(self) -> Sequence[Record[Any]]:
        return self.decoded


class RequeuedLetters:
    """Reads the records once, in order of seq; what the pump saves as delivered is no dead letter any more.

    A record that is refused again is kept, and with it the later ones of its key. `save` may be called on another
    thread than the rest.
    """

    def __init__(self, letters: DeadLetterStore, records: Sequence[Record[Any]]) -> None:
        self._letters = letters
        self._records = records
        self._seqs = [record.seq for record in records]
        self._read = 0
        self._removed = 0
        self._kept: set[int] = set()
        self._stuck: set[str] = set()

    @property
    def start(self) -> Position:
        """The position before the first."""
        return self._seqs[0] - 1, None, None

    def read_batches(self) -> list[DecodedBatch]:
        found, self._read = self._records[self._read :], len(self._records)
        return [DecodedBatch(found)] if found else []

    def wait(self, seconds: float) -> bool:
        """Nothing will come: only lets the time pass."""
        return _MACHINE.wait(seconds)

    def move(self, position: int) -> None:
        self._read = bisect_left(self._seqs, position)

    @property
    def is_idle(self) -> bool:
        return not self._stuck

    def delivered_up_to(self, seq: int) -> list[ObjectId]:
        """The ids of those with a seq up to `seq`, but for the kept ones."""
        return [each.id for each in self._records[: bisect_right(self._seqs, seq)] if each.seq not in self._kept]

    def further(self, delivered: Collection[str], position: Position) -> Position:
        """`position`, or that of the last record among the ids `delivered` if it is behind it."""
        seqs = [each.seq for each in self._records if str(each.id) in delivered]
        return (max(seqs), None, None) if seqs and max(seqs) > position[0] else position

    def park(self, records: Sequence[Record[Any]]) -> Collection[int]:
        """The ones behind a record that was refused again stay dead letters."""
        stuck = [record.seq for record in records if record.key in self._stuck]
        self._kept.update(stuck)
        return stuck

    def save(self, position: Position) -> None:
        """Removes the letters up to `position`. Raises pymongo's errors."""
        end = bisect_right(self._seqs, position[0])
        self._letters.remove([each.id for each in self._records[self._removed : end] if each.seq not in self._kept])
        self._removed = end

    def put_back(self, record: Record[Any], poison: PoisonMessage) -> None:
        """After the pump found one of them poisoned. Raises pymongo's errors."""
        self._letters.put_back(record, poison)
        self._kept.add(record.seq)
        if record.key is not None:
            self._stuck.add(record.key)

"""Gives requeued dead letters to a pump, in place of the log and its cursor; delivery/worker.py runs that pump."""

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
from outbox.mongo.calls import Write

_MACHINE = SystemClock()


class DecodedBatch(NamedTuple):
    """Holds records that are decoded already."""

    decoded: Sequence[Record[Any]]

    @property
    def gives(self) -> int:
        """How many records it gives."""
        return len(self.decoded)

    def records(self) -> Sequence[Record[Any]]:
        return self.decoded


class RequeuedLetters:
    """Gives the letters' records once, in order of seq, and removes the letters that the pump saves as delivered.

    The reader's worker (outbox/delivery/worker.py) sends them, between two runs over the log. A record that is refused
    again is kept, and with it the later ones of its key. `save` may be called on another thread than the rest.
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
        """Returns the position just before the first record."""
        return self._seqs[0] - 1, None, None

    def read_batches(self) -> list[DecodedBatch]:
        unread, self._read = self._records[self._read :], len(self._records)
        return [DecodedBatch(unread)] if unread else []

    def wait(self, seconds: float) -> bool:
        """Lets the time pass: nothing more will come."""
        return _MACHINE.wait(seconds)

    def move(self, position: int) -> None:
        self._read = bisect_left(self._seqs, position)

    @property
    def is_idle(self) -> bool:
        return not self._stuck

    def delivered_up_to(self, seq: int) -> list[ObjectId]:
        """Returns the ids of the records up to `seq` that are not kept."""
        records = self._records[: bisect_right(self._seqs, seq)]
        return [record.id for record in records if record.seq not in self._kept]

    def further(self, delivered: Collection[str], position: Position) -> Position:
        """Returns the later one of `position` and the position of the last record whose id is in `delivered`."""
        seqs = [record.seq for record in self._records if str(record.id) in delivered]
        return (max(seqs), None, None) if seqs and max(seqs) > position[0] else position

    def removal(self, records: Sequence[Record[Any]]) -> Write:
        """Describes the removal of the letters of these records, in a transaction."""
        return self._letters.removal([record.id for record in records])

    def after_those_gone(self, position: Position) -> Position:
        """Returns how far every letter after `position` is gone or kept. Raises pymongo's errors."""
        rest = self._records[bisect_right(self._seqs, position[0]) :]
        there = self._letters.there([record.id for record in rest])
        for record in rest:
            if record.id in there and record.seq not in self._kept:
                break
            position = record.seq, None, None
        return position

    def park(self, records: Sequence[Record[Any]]) -> Collection[int]:
        """Keeps, as dead letters, the records behind one of their key that was refused again; returns their seqs."""
        stuck = [record.seq for record in records if record.key in self._stuck]
        self._kept.update(stuck)
        return stuck

    def save(self, position: Position) -> None:
        """Removes the letters up to `position` that are not kept. Raises pymongo's errors."""
        end = bisect_right(self._seqs, position[0])
        records = self._records[self._removed : end]
        self._letters.remove([record.id for record in records if record.seq not in self._kept])
        self._removed = end

    def put_back(self, record: Record[Any], poison: PoisonMessage) -> None:
        """Keeps a record that was refused again, and the later ones of its key. Raises pymongo's errors."""
        self._letters.put_back(record, poison)
        self._kept.add(record.seq)
        if record.key is not None:
            self._stuck.add(record.key)

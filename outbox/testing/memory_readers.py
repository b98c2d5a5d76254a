"""What durable readers have stored, in memory: how far each is, and what it has put aside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bson import ObjectId

from outbox.dead_letters.policy import OnPoison
from outbox.errors import PoisonMessage
from outbox.location import Location
from outbox.log.position import Position
from outbox.log.record import Record
from outbox.reader_status import ReaderShare, ReaderStatus
from outbox.testing.memory_log import MemoryLog


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a consumer has put aside."""

    reader: str
    """Whose it is, such as `consumer:billing`."""
    record: Record[Any]
    state: Literal["dead", "parked"]
    """`dead`: it was given up. `parked`: it waits behind one of its key that was."""
    reason: str
    """Why it was given up; empty when it is parked."""


class MemoryReaderState:
    """Is what there is of one reader. Guarded by the log's condition. Implements outbox.delivery.ports.Parking."""

    def __init__(self, id: str, log: MemoryLog) -> None:
        self.id = id
        self.turn = threading.Lock()
        """Who has it works for the reader."""
        self.position: Position | None = None
        self.letters: dict[ObjectId, DeadLetter] = {}
        self.on_poison: OnPoison = "park-key"
        """That of the consumer whose turn it is."""
        self._log = log

    def begin(self, first: Callable[[], int]) -> Position:
        """Returns the position; at the first start it is just before the seq that `first` says."""
        with self._log.changed:
            if self.position is None:
                self.position = self._log.position_at(first() - 1)
            return self.position

    def save(self, position: Position) -> None:
        """Moves the position on; back it goes by `reset` only."""
        with self._log.changed:
            if self.position is None or position[0] > self.position[0]:
                self.position = position
                self._log.changed.notify_all()

    def reached(self, prefix: Position) -> Position:
        """Returns where to go on after a failure: a transaction may have moved the position further."""
        with self._log.changed:
            return max(self.position or prefix, prefix, key=lambda position: position[0])

    def add(self, record: Record[Any], error: PoisonMessage) -> None:
        """Puts a message aside that was given up, and moves the position past it."""
        with self._log.changed:
            self.letters[record.id] = DeadLetter(self.id, record, "dead", error.finding)
            self.save((record.seq, record.created, record.id))

    @property
    def is_idle(self) -> bool:
        """See Parking."""
        return not self.letters

    def park(self, records: Sequence[Record[Any]]) -> Collection[int]:
        """See Parking."""
        with self._log.changed:
            behind = [record for record in records if record.key is not None and record.key in self._keys()]
            for record in behind:
                self.letters.setdefault(record.id, DeadLetter(self.id, record, "parked", ""))
            return frozenset(record.seq for record in behind)

    def _keys(self) -> set[str | None]:
        """A key that was parked stays so under any policy; a dead letter alone parks its key under `park-key`."""
        letters = self.letters.values()
        return {each.record.key for each in letters if each.state == "parked" or self.on_poison == "park-key"}


class MemoryReaders:
    """Are the durable readers of one outbox in memory. Thread-safe."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._states: dict[str, MemoryReaderState] = {}

    def state(self, id: str) -> MemoryReaderState:
        """Returns what there is of a reader, which may have nothing yet."""
        with self._log.changed:
            return self._states.setdefault(id, MemoryReaderState(id, self._log))

    def begun(self) -> list[tuple[MemoryReaderState, int]]:
        """Returns those that have a position, and it, by their ids."""
        with self._log.changed:
            states = sorted(self._states.items())
            return [(state, state.position[0]) for _, state in states if state.position is not None]

    def letters(self) -> list[DeadLetter]:
        """Returns all that was put aside, by reader and seq."""
        with self._log.changed:
            letters = [each for _, state in sorted(self._states.items()) for each in state.letters.values()]
        return sorted(letters, key=lambda each: (each.reader, each.record.seq))

    def find(self, id: ObjectId) -> Location:
        """See Outbox.find."""
        with self._log.changed:
            letters = [each for each in self.letters() if each.record.id == id]
            record = letters[0].record if letters else self._log.record_of(id)
            if record is None:
                return Location(id, "unknown")
            lettered = {each.reader for each in letters}
            begun = [
                (state.id, position >= record.seq and state.id not in lettered) for state, position in self.begun()
            ]
        passed = tuple(reader for reader, is_passed in begun if is_passed)
        waiting = tuple(reader for reader, is_passed in begun if not is_passed)
        if letters:
            first = letters[0]
            return Location(id, "dead", record.seq, first.reader, first.state, passed, waiting)
        return Location(id, "log", record.seq, passed=passed, waiting=waiting)

    def statuses(self) -> list[ReaderStatus]:
        """See Outbox.readers. A holder is `memory`."""
        with self._log.changed:
            head = self._log.head()
            return [self._status(state, position, head) for state, position in self.begun()]

    def _status(self, state: MemoryReaderState, position: int, head: int) -> ReaderStatus:
        holder = "memory" if state.turn.locked() else None
        states = [each.state for each in state.letters.values()]
        lag = max(0, head - position)
        return ReaderStatus(
            id=state.id,
            kind=state.id.partition(":")[0],
            position=position,
            head=head,
            lag=lag,
            shares=1,
            holder=holder,
            paused=False,
            dead_letters=states.count("dead"),
            parked=states.count("parked"),
            of_shares=(ReaderShare(1, position, lag, holder),),
        )

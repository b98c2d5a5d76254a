"""What durable readers in memory have stored."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from outbox.errors import PoisonMessage
from outbox.log.record import Record
from outbox.testing.memory_log import MemoryLog
from outbox.testing.memory_readers import MemoryReaders


def record(seq: int, key: str | None) -> Record[Any]:
    return Record(seq, ObjectId().binary, 0, {"type": "t", "key": key, "headers": {}, "data": {}})


def poison(record: Record[Any]) -> PoisonMessage:
    return PoisonMessage(record.seq, str(record.id), record.type, record.key, "handled", "no", "handled")


def test_a_position_moves_on_only() -> None:
    state = MemoryReaders(MemoryLog("m")).state("consumer:a")
    state.begin(lambda: 1)
    state.save((5, None, None))
    state.save((3, None, None))

    assert state.position == (5, None, None)
    assert state.reached((4, None, None)) == (5, None, None)
    assert state.reached((6, None, None)) == (6, None, None)
    assert state.begin(lambda: 1) == (5, None, None)


def test_a_dead_letter_parks_its_key_under_park_key_alone() -> None:
    readers = MemoryReaders(MemoryLog("m"))
    state = readers.state("consumer:a")
    first = record(1, "k")
    state.add(first, poison(first))
    batch = [record(2, "k"), record(3, None), record(4, "other")]

    state.on_poison = "dead-letter"
    assert state.park(batch) == frozenset()
    state.on_poison = "park-key"
    assert state.park(batch) == {2}
    state.on_poison = "dead-letter"
    assert state.park([record(5, "k")]) == {5}
    assert [(letter.record.seq, letter.state) for letter in readers.letters()] == [
        (1, "dead"),
        (2, "parked"),
        (5, "parked"),
    ]
    assert "no" in readers.letters()[0].reason


def test_a_message_without_a_key_parks_nothing() -> None:
    state = MemoryReaders(MemoryLog("m")).state("consumer:a")
    first = record(1, None)
    state.add(first, poison(first))

    assert state.park([record(2, None)]) == frozenset()

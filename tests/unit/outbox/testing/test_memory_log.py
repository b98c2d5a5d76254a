"""The log in memory holds what the one on a server would."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import bson
import pytest
from bson import ObjectId

from outbox.errors import HistoryLost
from outbox.staging.document import Staged
from outbox.testing.memory_log import MemoryLog, MemoryReader

DAY = datetime(2025, 1, 1, tzinfo=UTC)


def staged(minute: int) -> Staged:
    rest = bson.encode({"type": "t", "key": None, "headers": {}, "data": {"minute": minute}})[4:]
    return Staged(ObjectId().binary, 0, int((DAY + timedelta(minutes=minute)).timestamp() * 1000), rest)


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog("memory.outbox")
    log.append([staged(minute) for minute in (0, 1, 3)])
    log.append([staged(minute) for minute in (2, 5)])
    return log


def test_dates_never_decrease_and_are_found(log: MemoryLog) -> None:
    assert [record.created.minute for record in log.records()] == [0, 1, 3, 3, 5]
    assert [log.seq_at(DAY + timedelta(minutes=minute)) for minute in (-1, 0, 2, 3, 4, 6)] == [1, 1, 3, 3, 5, 6]
    assert log.seq_at(datetime(2025, 1, 1, 0, 1)) == 2  # noqa: DTZ001  # naive means UTC


def test_a_list_longer_than_a_batch_is_several() -> None:
    log = MemoryLog("memory.outbox")
    log.append([staged(0)] * 1200)

    assert [(batch.first, batch.last) for batch in log.batches_from(1)] == [(1, 500), (501, 1000), (1001, 1200)]
    assert log.head() == 1200


def test_a_reader_begins_inside_a_batch_and_ends_at_the_head(log: MemoryLog) -> None:
    reader = MemoryReader(log, 2)

    assert [record.seq for batch in reader.read_batches() for record in batch.records()] == [2, 3, 4, 5]
    assert reader.read_batches() == []
    assert reader.wait(0) is False
    log.append([staged(6)])
    assert reader.wait(0) is True


def test_what_was_rolled_over_is_history_lost(log: MemoryLog) -> None:
    log.roll_over(3)

    assert (log.earliest(), log.head(), [record.seq for record in log.records()]) == (3, 5, [3, 4, 5])
    with pytest.raises(HistoryLost):
        MemoryReader(log, 2).read_batches()
    assert log.position_at(2) == (2, None, None)
    assert log.position_at(3)[2] == log.records()[0].id
    log.roll_over(100)
    assert log.earliest() == 5


def test_a_reader_that_waits_is_woken() -> None:
    log = MemoryLog("memory.outbox")
    stop, ended = threading.Event(), threading.Event()

    def wait() -> None:
        MemoryReader(log, 1).wait(60, stop)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    stop.set()
    log.wake()

    assert ended.wait(30)

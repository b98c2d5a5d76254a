"""What an outbox says of itself: the log, staging, the sequencer, the dead letters and the readers."""

from __future__ import annotations

import logging

import pytest
from bson import Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from pymongo.database import Database

from outbox import Outbox
from tests.actors.order_service import DAY, Document, placed, put_at
from tests.actors.small_log import CAP, register, small_outbox
from tests.waiting import wait_until


@pytest.fixture
def outbox(database: Database[Document]) -> Outbox:
    return small_outbox(database)


def test_it_counts_what_is_there(outbox: Outbox) -> None:
    put_at(outbox, 1, 2)
    outbox.put(placed(3), standalone=True)
    outbox.collections.cursors.insert_one(
        {"_id": "consumer:billing", "seq": Int64(1), "created": DatetimeMS(0), "id": ObjectId(), "updated": DAY}
    )
    status = outbox.status()

    assert (status.head, status.oldest, status.staging, status.holder) == (2, 1, 1, None)
    assert (status.fence, status.capacity) == (1, CAP)
    assert [(each.reader, each.seq) for each in status.cursors] == [("consumer:billing", 1)]


def test_it_names_the_holder_of_a_living_sequencer(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    register(outbox, "relay:kafka", 0)
    outbox.put([placed(number, note="x" * 2000) for number in range(20)], standalone=True)
    with caplog.at_level(logging.CRITICAL), outbox.running():
        held = wait_until(lambda: outbox.status().held, 20, "the sequencer to be held")
        status = outbox.status()

    assert (held.reader, held.seq) == ("relay:kafka", 1)
    assert 0 <= held.seconds < 60
    assert status.staging + status.head == 20
    assert status.staging_bytes > status.staging * 2000
    assert status.staging_seconds is not None
    assert 0 <= status.staging_seconds < 60
    [cursor] = status.cursors
    assert cursor.lag == status.head
    assert cursor.headroom is not None
    assert 0 <= cursor.headroom.bytes < status.capacity / 4
    assert status.size <= status.capacity
    wait_until(lambda: outbox.status().held is None, 20, "the lease given back: nobody sequences any more")


def test_it_forgets_a_hold_once_the_reader_has_gone_on(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outbox.monitoring.hold_report.OVER_SECONDS", 0.1)
    monkeypatch.setattr("outbox.monitoring.hold_report.WRITE_SECONDS", 0.1)
    register(outbox, "relay:kafka", 0)
    outbox.put([placed(number, note="x" * 2000) for number in range(12)], standalone=True)
    with outbox.running():
        wait_until(lambda: outbox.status().held, 20, "the sequencer to be held")
        register(outbox, "relay:kafka", outbox.log.head())
        wait_until(lambda: outbox.status().held is None, 20, "the hold to be over")

        assert outbox.status().holder is not None


def test_an_idle_outbox_has_nothing_waiting(outbox: Outbox) -> None:
    status = outbox.status()

    assert (status.staging, status.staging_bytes, status.staging_seconds) == (0, 0, None)
    assert (status.held, status.dead, status.parked, status.cursors) == (None, 0, 0, ())


def test_it_counts_the_dead_letters_by_their_state(outbox: Outbox) -> None:
    outbox.collections.dead.insert_many([{"state": "dead"}, {"state": "parked"}, {"state": "parked"}])

    status = outbox.status()

    assert (status.dead, status.parked) == (1, 2)

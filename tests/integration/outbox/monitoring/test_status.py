"""What an outbox says of itself: the log, staging, the sequencer, the dead letters and the readers."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from bson import Int64, ObjectId, Timestamp
from bson.datetime_ms import DatetimeMS
from pymongo.database import Database

from outbox import Outbox, OutboxNotCreated
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.monitoring.status import UNSEQUENCED_SECONDS, is_unsequenced, status
from tests.actors.order_service import DAY, Document, foreign, placed, put_at, unchecked
from tests.actors.small_log import CAP, append, put_large, register, small_outbox
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


def stage(outbox: Outbox, seconds: float, **fields: Any) -> None:
    """Stages a message that has waited for so long by the server's clock."""
    now = outbox.collections.client.admin.command("hello")["localTime"].timestamp()
    outbox.collections.staging.insert_one(foreign(at=Timestamp(int(now - seconds), 1), **fields))


def sequencing(outbox: Outbox, silent: float) -> None:
    """Somebody has the sequencer's lease who gave no sign for so long, by the server's clock."""
    assert Lease(outbox.collections.leases, "sequencer").acquire()
    ago = {"$subtract": ["$$NOW", int(1000 * silent)]}
    outbox.collections.leases.update_one({"_id": "sequencer"}, [{"$set": {"renewed": ago}}])


def test_an_outbox_that_was_never_created_has_no_status(database: Database[Document]) -> None:
    with pytest.raises(OutboxNotCreated, match="create"):
        status(Collections(database, "other"))


# ---- staging


def test_it_says_how_long_the_oldest_message_has_waited(outbox: Outbox) -> None:
    stage(outbox, 1000)
    stage(outbox, 20)

    found = status(outbox.collections)
    assert found.staging == 2
    assert found.staging_bytes > 200
    assert found.staging_seconds is not None
    assert 999 <= found.staging_seconds < 1300


def test_a_stamp_ahead_of_the_server_s_clock_has_not_waited(outbox: Outbox) -> None:
    stage(outbox, -1000)

    assert status(outbox.collections).staging_seconds == 0


@pytest.mark.parametrize("at", ["now", None, 5, Int64(5)], ids=repr)
def test_what_went_past_the_validator_with_no_stamp_hurts_nothing(outbox: Outbox, at: object) -> None:
    unchecked(outbox, foreign(at=at))

    assert status(outbox.collections).staging_seconds == 0


# ---- whether anybody sequences


def test_messages_that_waited_while_nobody_sequences_are_unsequenced(outbox: Outbox) -> None:
    stage(outbox, UNSEQUENCED_SECONDS + 1)

    assert status(outbox.collections).unsequenced
    assert is_unsequenced(outbox.collections)


def test_messages_that_came_just_now_are_not_unsequenced_yet(outbox: Outbox) -> None:
    stage(outbox, -1000)

    assert not status(outbox.collections).unsequenced
    assert not is_unsequenced(outbox.collections)


def test_an_empty_staging_needs_no_sequencer(outbox: Outbox) -> None:
    assert not is_unsequenced(outbox.collections)


@pytest.mark.parametrize(("silent", "expected"), [(-1000, False), (UNSEQUENCED_SECONDS + 1, True)])
def test_a_sequencer_that_gives_no_sign_is_none(outbox: Outbox, silent: float, expected: bool) -> None:
    stage(outbox, 60)
    sequencing(outbox, silent)

    assert status(outbox.collections).unsequenced is expected
    assert is_unsequenced(outbox.collections) is expected


def test_it_names_who_sequences_and_how_often_the_role_was_taken(outbox: Outbox) -> None:
    leases = [Lease(outbox.collections.leases, "sequencer") for _ in range(3)]
    for lease in leases:
        assert lease.acquire()
        assert (status(outbox.collections).holder, status(outbox.collections).fence) == (lease.owner, lease.fence)
        lease.release()

    assert (status(outbox.collections).holder, status(outbox.collections).fence) == (None, 3)


def test_a_role_that_was_never_taken_has_no_holder(outbox: Outbox) -> None:
    assert (status(outbox.collections).holder, status(outbox.collections).fence) == (None, 0)


# ---- the readers


def test_the_lag_of_a_reader_is_what_it_has_not_acknowledged(outbox: Outbox) -> None:
    append(outbox, [(3, 10), (2, 10)])
    for name, seq in (("consumer:a", 0), ("consumer:b", 4), ("consumer:c", 5)):
        register(outbox, name, seq)

    found = status(outbox.collections).cursors
    assert [(each.reader, each.seq, each.lag) for each in found] == [
        ("consumer:a", 0, 5), ("consumer:b", 4, 1), ("consumer:c", 5, 0)
    ]  # fmt: skip


def test_a_reader_beyond_the_log_has_no_lag_and_no_headroom(outbox: Outbox) -> None:
    register(outbox, "consumer:a", 9)

    [found] = status(outbox.collections).cursors
    assert (found.lag, found.headroom) == (0, None)


def test_a_reader_that_lost_its_next_record_has_no_headroom(outbox: Outbox) -> None:
    put_large(outbox, 20)
    register(outbox, "consumer:a", 1)

    [found] = status(outbox.collections).cursors
    assert (found.lag, found.headroom) == (19, None)


def test_the_oldest_of_a_log_that_has_rolled_over_is_what_it_holds(outbox: Outbox) -> None:
    put_large(outbox, 20)

    found = status(outbox.collections)
    assert (found.head, found.oldest) == (20, outbox.log.oldest())
    assert found.oldest > 1
    assert CAP / 2 < found.size <= CAP


def test_a_paused_reader_is_shown_as_such_with_all_of_its_shares(outbox: Outbox) -> None:
    for reader in ("consumer:billing", "relay:kafka/1", "relay:kafka/2"):
        register(outbox, reader, 0)
    outbox.collections.cursors.insert_one({"_id": "relay:kafka", "shares": 2, "fence": 1, "paused": True})

    assert {each.reader: each.paused for each in outbox.status().cursors} == {
        "consumer:billing": False,
        "relay:kafka/1": True,
        "relay:kafka/2": True,
    }


def test_a_paused_reader_holds_the_sequencer_and_is_named_as_paused(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    register(outbox, "relay:kafka", 0)
    outbox.collections.cursors.update_one({"_id": "relay:kafka"}, {"$set": {"paused": True}})
    outbox.put([placed(number, note="x" * 2000) for number in range(30)], standalone=True)
    with caplog.at_level(logging.CRITICAL), outbox.running():
        held = wait_until(lambda: outbox.status().held, 20, "the sequencer to be held")

    assert (held.reader, held.paused) == ("relay:kafka", True)
    assert outbox.log.earliest() == 1

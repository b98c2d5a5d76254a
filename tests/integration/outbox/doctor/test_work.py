"""What the doctor finds in how readers are worked for."""

from __future__ import annotations

import pytest

from outbox import Outbox
from outbox.doctor.finding import Finding
from outbox.doctor.work import at_work
from outbox.mongo.lease import Lease
from outbox.shares import stopped
from tests.actors.relay_thread import given_cursor, numbered


def found(orders: Outbox) -> list[Finding]:
    return list(at_work(orders.collections, orders.status().cursors))


@pytest.fixture
def behind(orders: Outbox) -> Outbox:
    """An outbox whose relay has three records to deliver."""
    numbered(orders, 3)
    given_cursor(orders, 0)
    return orders


def test_a_relay_that_nobody_works_for_is_found_while_records_wait(behind: Outbox) -> None:
    (finding,) = found(behind)
    given_cursor(behind, 3)

    assert (finding.what, finding.serious) == ("nobody works for relay 'kafka', and 3 record(s) wait", True)
    assert found(behind) == []


def test_a_holder_that_gives_no_sign_of_life_is_found(behind: Outbox) -> None:
    assert Lease(behind.collections.leases, "relay:kafka", owner="host:1:a").acquire()
    just_now = found(behind)
    ago = {"$subtract": ["$$NOW", 60_000]}
    behind.collections.leases.update_one({"_id": "relay:kafka"}, [{"$set": {"renewed": ago}}])

    (finding,) = found(behind)

    assert just_now == []
    assert finding.serious
    assert finding.what.startswith("host:1:a, which works for relay 'kafka', has given no sign of life for 60 s")


def test_a_relay_that_stopped_says_why(behind: Outbox) -> None:
    lease = Lease(behind.collections.leases, "relay:kafka")
    assert lease.acquire()
    lease.release()
    stopped.note(behind.collections, "relay:kafka", ValueError("the message 7 is poison"))

    (finding,) = found(behind)

    assert finding.what.startswith("relay 'kafka' has stopped at 2")
    assert finding.what.endswith("the message 7 is poison")
    assert finding.serious


def test_a_record_that_waits_for_a_relay_at_work_is_a_note(behind: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Lease(behind.collections.leases, "relay:kafka").acquire()
    monkeypatch.setattr("outbox.doctor.work.LATE_SECONDS", -1.0)

    (finding,) = found(behind)

    assert (finding.serious, finding.what[:35]) == (False, "the next record of relay 'kafka' ha")

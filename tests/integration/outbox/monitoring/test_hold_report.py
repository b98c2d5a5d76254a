"""Who holds the sequencer back: told in the log output, and left in the lease where status finds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from bson import Int64
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import Outbox
from outbox.log.retention import Hold
from outbox.mongo.lease import Lease
from outbox.monitoring.hold_report import OVER_SECONDS, SAY_SECONDS, WRITE_SECONDS, HoldReport
from outbox.testing import FakeClock
from tests.actors.order_service import Document, warnings_of
from tests.actors.small_log import small_outbox
from tests.waiting import wait_until

KAFKA = Hold("relay:kafka", 7)


@pytest.fixture
def outbox(database: Database[Document]) -> Outbox:
    return small_outbox(database)


@pytest.fixture
def lease(outbox: Outbox) -> Iterator[Lease]:
    """A sequencer is at work."""
    lease = Lease(outbox.collections.leases, "sequencer")
    assert lease.acquire()
    yield lease
    lease.release()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def holding(outbox: Outbox, clock: FakeClock) -> HoldReport:
    return HoldReport(outbox.collections, clock)


def left(outbox: Outbox) -> Any:
    lease = outbox.collections.leases.find_one({"_id": "sequencer"})
    assert lease is not None
    return lease.get("holding")


# ---- in the log output


def test_a_hold_is_warned_of_when_it_begins_and_every_ten_seconds(
    holding: HoldReport, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(21):
        holding.update(KAFKA, 1)
        clock.advance(1)

    assert len(warnings_of(caplog)) == 3
    assert "'relay:kafka'" in warnings_of(caplog)[0]
    assert "from seq 7 on" in warnings_of(caplog)[0]
    assert "for 20 s so far" in warnings_of(caplog)[2]


def test_how_long_a_reader_held_it_is_counted(holding: HoldReport, outbox: Outbox, clock: FakeClock) -> None:
    for hold in (KAFKA, KAFKA, None, None):
        holding.update(hold, 1)
        clock.advance(2)

    assert outbox.collections.tally.held_seconds.all() == {"relay:kafka": 4}


def test_it_says_how_to_give_a_relay_up(holding: HoldReport, outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    holding.update(KAFKA, 1)

    command = f"relay cursor forget kafka --database {outbox.collections.database.name} --outbox outbox"
    assert warnings_of(caplog)[0].endswith(command)


@pytest.mark.parametrize("share", ["", "/2"])
def test_of_a_paused_reader_it_says_that_and_how_it_is_resumed(
    holding: HoldReport, outbox: Outbox, caplog: pytest.LogCaptureFixture, share: str
) -> None:
    outbox.collections.cursors.insert_one({"_id": "relay:kafka", "seq": Int64(6), "paused": True})

    holding.update(Hold(f"relay:kafka{share}", 7), 1)

    names = f"--database {outbox.collections.database.name} --outbox {outbox.name}"
    (warning,) = warnings_of(caplog)
    assert f"staging grows. It is paused. Resume it: relay resume --name kafka {names}, or enlarge" in warning


def test_of_a_reader_of_another_kind_it_names_the_commands_for_all(
    holding: HoldReport, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.collections.cursors.insert_one({"_id": "consumer:billing", "seq": Int64(6), "paused": True})

    holding.update(Hold("consumer:billing", 7), 1)

    (warning,) = warnings_of(caplog)
    assert "It is paused. Resume it: outbox readers APP resume consumer:billing, or enlarge the capacity" in warning
    assert warning.endswith(", or give it up: outbox readers APP forget consumer:billing")


def test_of_a_share_it_says_how_to_give_up_the_whole_relay(
    holding: HoldReport, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    holding.update(KAFKA._replace(reader="relay:kafka/3"), 1)

    command = f"relay cursor forget kafka --database {outbox.collections.database.name} --outbox outbox"
    assert warnings_of(caplog)[0].endswith(command)


def test_the_end_of_a_hold_is_told_with_its_length(
    holding: HoldReport, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    holding.update(KAFKA, 1)
    for _ in range(3):
        clock.advance(OVER_SECONDS)
        holding.update(None, 1)

    assert len(warnings_of(caplog)) == 2
    assert "does not hold the sequencer back any more, after 5 s" in warnings_of(caplog)[1]


def test_a_slow_reader_that_lets_it_go_on_for_moments_holds_once(
    holding: HoldReport, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Goes red when a single sweep that is not held ends a hold."""
    for _ in range(9):
        holding.update(KAFKA, 1)
        clock.advance(0.5)
        holding.update(None, 1)
        clock.advance(0.5)

    assert len(warnings_of(caplog)) == 1


def test_without_a_hold_nothing_is_said(
    holding: HoldReport, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        holding.update(None, 1)
        clock.advance(SAY_SECONDS)

    assert warnings_of(caplog) == []


# ---- in the lease


def test_the_lease_says_who_holds_and_what_it_would_lose(holding: HoldReport, outbox: Outbox, lease: Lease) -> None:
    holding.update(KAFKA, lease.fence)

    assert (left(outbox)["reader"], left(outbox)["seq"]) == ("relay:kafka", 7)


def test_it_is_written_every_few_seconds_and_dated_once(
    holding: HoldReport, outbox: Outbox, lease: Lease, clock: FakeClock
) -> None:
    holding.update(KAFKA, lease.fence)
    first = left(outbox)
    holding.update(Hold("relay:kafka", 8), lease.fence)
    soon = left(outbox)
    clock.advance(WRITE_SECONDS)
    holding.update(Hold("relay:kafka", 9), lease.fence)

    assert soon == first
    assert left(outbox) == {**first, "seq": 9}


def test_another_reader_is_dated_anew(holding: HoldReport, outbox: Outbox, lease: Lease) -> None:
    holding.update(KAFKA, lease.fence)
    first = left(outbox)["since"]
    wait_until(lambda: outbox.collections.database.command("hello")["localTime"] > first.replace(tzinfo=None), 10)
    holding.update(Hold("consumer:billing", 3), lease.fence)

    assert left(outbox)["reader"] == "consumer:billing"
    assert left(outbox)["since"] > first


def test_when_it_is_over_the_lease_says_nothing(
    holding: HoldReport, outbox: Outbox, lease: Lease, clock: FakeClock
) -> None:
    holding.update(KAFKA, lease.fence)
    clock.advance(OVER_SECONDS)
    holding.update(None, lease.fence)

    assert left(outbox) is None


def test_what_a_killed_sequencer_left_goes_with_the_next_ones_first_sweep(outbox: Outbox, lease: Lease) -> None:
    HoldReport(outbox.collections).update(KAFKA, lease.fence)

    HoldReport(outbox.collections).update(None, lease.fence)

    assert left(outbox) is None


def test_a_hold_that_outlives_its_sequencer_keeps_its_date(outbox: Outbox, lease: Lease) -> None:
    HoldReport(outbox.collections).update(KAFKA, lease.fence)
    first = left(outbox)

    assert lease.acquire()
    HoldReport(outbox.collections).update(KAFKA, lease.fence)

    assert left(outbox) == first


def test_a_sequencer_whose_time_is_over_writes_nothing(holding: HoldReport, outbox: Outbox, lease: Lease) -> None:
    """Goes red when the write does not ask for the fence."""
    stale = lease.fence
    assert lease.acquire()

    holding.update(KAFKA, stale)

    assert left(outbox) is None


def test_a_write_that_fails_disturbs_nothing_and_is_made_good(
    holding: HoldReport, outbox: Outbox, lease: Lease, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise AutoReconnect("away")

    with monkeypatch.context() as away:
        away.setattr(type(outbox.collections.leases), "update_one", fail)
        holding.update(KAFKA, lease.fence)
    assert left(outbox) is None

    clock.advance(WRITE_SECONDS)
    holding.update(KAFKA, lease.fence)

    assert left(outbox)["reader"] == "relay:kafka"

"""The early warning: an operator hears of a reader that falls behind before the sequencer waits for it."""

from __future__ import annotations

import re
from typing import NoReturn

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import Outbox
from outbox.monitoring.headroom import HeadroomGauge
from outbox.monitoring.headroom_warning import AGAIN_SECONDS, LOOK_SECONDS, HeadroomWarning
from outbox.sequencer.sequencer import Sequencer
from outbox.testing import FakeClock
from tests.actors.command_listener import watched
from tests.actors.order_service import Document, placed, warnings_of
from tests.actors.small_log import CAP, append, register, small_outbox
from tests.waiting import wait_until

NOTHING_KNOWN = 0.0
FAR = "is far behind"
OVER = "no reader is near"


@pytest.fixture
def outbox(database: Database[Document]) -> Outbox:
    """Its log is full of 30 records; `relay:kafka` has read none of the 27 newest, so 10 % may still be appended."""
    outbox = small_outbox(database)
    append(outbox, [(1, 400)] * 60)
    leave(outbox, 0.1)
    return outbox


def leave(outbox: Outbox, share: float) -> None:
    """Sets the reader so far behind that about this share of the log is left, 3 % more at the most."""
    for seq in range(outbox.log.oldest(), outbox.log.head() + 1):
        found = HeadroomGauge(outbox.collections, CAP).headrooms({"": seq})[""]
        if found is not None and found.bytes >= share * CAP:
            register(outbox, "relay:kafka", seq)
            return


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def early(outbox: Outbox, clock: FakeClock) -> HeadroomWarning:
    return HeadroomWarning(outbox.collections, clock)


def later(clock: FakeClock, early: HeadroomWarning, seconds: float = LOOK_SECONDS) -> None:
    clock.advance(seconds)
    early.update(NOTHING_KNOWN)


def test_a_reader_with_less_than_a_fifth_left_is_warned_of_with_what_is_left(
    early: HeadroomWarning, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    early.update(NOTHING_KNOWN)

    [warning] = warnings_of(caplog)
    assert "reader 'relay:kafka' is far behind" in warning
    assert "KiB more (1" in warning
    assert re.search(r"at the present rate in \d s, it will hold", warning)


def test_of_a_paused_reader_it_says_that_and_how_it_goes_on(
    early: HeadroomWarning, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.collections.cursors.update_one({"_id": "relay:kafka"}, {"$set": {"paused": True}})

    early.update(NOTHING_KNOWN)

    [warning] = warnings_of(caplog)
    assert "back. It is paused: `relay resume --name kafka` lets it go on. Else enlarge the capacity" in warning


def test_while_it_lasts_it_is_told_again_every_ten_minutes(
    early: HeadroomWarning, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    early.update(NOTHING_KNOWN)
    for _ in range(2 * round(AGAIN_SECONDS / LOOK_SECONDS)):
        later(clock, early)

    assert len(warnings_of(caplog)) == 3


def test_when_it_is_over_that_is_told_once(
    early: HeadroomWarning, clock: FakeClock, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    early.update(NOTHING_KNOWN)
    leave(outbox, 0.5)
    later(clock, early)
    later(clock, early)

    assert [FAR in each for each in warnings_of(caplog)] == [True, False]
    assert OVER in warnings_of(caplog)[1]


def test_it_is_over_as_soon_as_the_sequencer_knows_of_enough(
    early: HeadroomWarning, caplog: pytest.LogCaptureFixture
) -> None:
    early.update(NOTHING_KNOWN)
    early.update(0.5)

    assert OVER in warnings_of(caplog)[1]


def test_a_reader_about_the_edge_is_told_of_once(
    early: HeadroomWarning, clock: FakeClock, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Goes red when it is over at the same share at which it began."""
    for share in (0.15, 0.21, 0.15, 0.21):
        leave(outbox, share)
        later(clock, early)

    assert [FAR in each for each in warnings_of(caplog)] == [True]


def test_a_reader_in_the_middle_of_the_log_is_not_warned_of_though_the_sequencer_knows_of_little_left(
    early: HeadroomWarning, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    leave(outbox, 0.5)

    early.update(NOTHING_KNOWN)

    assert warnings_of(caplog) == []


def test_a_reader_that_lost_its_next_record_is_not_warned_of(
    early: HeadroomWarning, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    register(outbox, "relay:kafka", 0)

    early.update(NOTHING_KNOWN)

    assert warnings_of(caplog) == []


def test_no_server_is_asked_while_the_sequencer_knows_of_enough_nor_twice_in_ten_seconds(
    mongo_uri: str, outbox: Outbox, clock: FakeClock
) -> None:
    with watched(mongo_uri, outbox.collections.database) as (database, commands):
        early = HeadroomWarning(Outbox(database).collections, clock)
        early.update(0.5)
        assert commands.names() == []
        early.update(NOTHING_KNOWN)
        assert commands.names() != []
        commands.clear()
        early.update(NOTHING_KNOWN)
        clock.advance(LOOK_SECONDS / 2)
        early.update(NOTHING_KNOWN)

        assert commands.names() == []


def test_measuring_that_fails_does_not_disturb_the_sequencer(
    early: HeadroomWarning, monkeypatch: pytest.MonkeyPatch, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> NoReturn:
        raise AutoReconnect("away")

    with monkeypatch.context() as away:
        away.setattr("outbox.monitoring.headroom_warning.HeadroomGauge.headrooms", fail)
        early.update(NOTHING_KNOWN)
    assert warnings_of(caplog) == []

    later(clock, early)

    assert FAR in warnings_of(caplog)[0]


def test_a_sequencer_knows_of_less_the_nearer_its_reader_is_to_the_edge(outbox: Outbox) -> None:
    sequencer = Sequencer(outbox.collections)
    assert sequencer.take_over()
    known = []
    try:
        for share in (0.1, 0.5):
            leave(outbox, share)
            outbox.put(placed(1, note="x" * 2000), standalone=True)
            sequencer.sweep()
            known.append(sequencer.retention.left)
        outbox.collections.cursors.delete_many({})
        for _ in range(2):  # the look that was taken beside the last append may have seen the reader still
            outbox.put(placed(1), standalone=True)
            sequencer.sweep()
    finally:
        sequencer.release()

    assert 0 < known[0] <= 0.2
    assert known[0] < known[1] <= 0.6
    assert sequencer.retention.left == 1.0


def test_a_working_sequencer_warns_before_it_is_held(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    """Goes red when the sequencing loop does not note what the sequencer knows."""
    leave(outbox, 0.3)
    with outbox.running():
        for number in range(40):
            outbox.put(placed(number, note="x" * 200), standalone=True)
            wait_until(lambda: not outbox.collections.staging.count_documents({}) or "waits for it" in caplog.text, 20)

    told = [each for each in warnings_of(caplog) if FAR in each or "the sequencer waits for it" in each]
    assert FAR in told[0]
    assert "the sequencer waits for it" in told[1]

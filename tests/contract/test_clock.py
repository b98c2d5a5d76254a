"""What every clock promises (outbox/clock.py), asked of the machine's and of the one that tests hand in."""

from __future__ import annotations

import threading
import time

import pytest

from outbox.clock import Clock, SystemClock
from outbox.testing import FakeClock

boottime = pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="there is no such clock")


@pytest.fixture(params=[SystemClock, FakeClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_it_never_goes_back(clock: Clock) -> None:
    readings = [clock.monotonic() for _ in range(1000)]

    assert readings == sorted(readings)


def test_after_a_wait_it_is_at_least_so_much_later(clock: Clock) -> None:
    before = clock.monotonic()

    clock.wait(0.02)

    assert clock.monotonic() - before >= 0.02


def test_a_wait_that_nobody_stops_says_so(clock: Clock) -> None:
    assert not clock.wait(0.001)
    assert not clock.wait(0.001, threading.Event())


@pytest.mark.parametrize("seconds", [0.0, 3600.0])
def test_a_stop_that_is_set_ends_the_wait_at_once_and_is_told(clock: Clock, seconds: float) -> None:
    stop = threading.Event()
    stop.set()
    before = clock.monotonic()

    assert clock.wait(seconds, stop)
    assert clock.monotonic() - before < 3600


def test_a_wait_for_no_time_returns(clock: Clock) -> None:
    assert not clock.wait(0)


def test_waiting_does_not_set_the_stop(clock: Clock) -> None:
    stop = threading.Event()

    clock.wait(0.001, stop)

    assert not stop.is_set()


def test_a_stop_that_is_set_meanwhile_ends_the_machines_wait() -> None:
    stop = threading.Event()
    threading.Timer(0.02, stop.set).start()

    assert SystemClock().wait(3600, stop)


def test_the_tests_clock_stands_still_until_it_is_moved_and_is_never_moved_back() -> None:
    clock = FakeClock(5.0)
    assert clock.monotonic() == clock.monotonic() == 5.0

    clock.advance(2.5)
    with pytest.raises(ValueError, match="cannot go back 1"):
        clock.advance(-1)

    assert clock.monotonic() == 7.5


@boottime
def test_the_machines_clock_is_the_one_that_counts_suspended_time() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = SystemClock().monotonic()

    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)


@boottime
def test_a_monotonic_clock_that_stands_still_does_not_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)

    first = clock.monotonic()
    assert clock.monotonic() >= first > 0.0

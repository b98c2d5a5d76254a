"""The clock goes on while the machine sleeps, where there is one that does."""

from __future__ import annotations

import time

import pytest

from outbox.clock import SystemClock


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="there is no such clock")
def test_it_is_the_one_that_counts_suspended_time() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = SystemClock().monotonic()

    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="there is no such clock")
def test_a_monotonic_clock_that_stands_still_does_not_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)

    first = clock.monotonic()
    assert clock.monotonic() >= first > 0.0

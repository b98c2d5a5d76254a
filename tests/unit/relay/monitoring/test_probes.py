"""Whether a process works, as it says itself."""

from __future__ import annotations

from typing import Any

import pytest

from outbox.testing import FakeClock
from relay.monitoring.alive import Pulse
from relay.monitoring.probes import Liveness


class Outbox:
    """One whose heartbeat is late for so many seconds."""

    def __init__(self, late: float = 0.0) -> None:
        self.collections: Any = self
        self._late = late

    def beats_late(self) -> float:
        return self._late


def liveness(clock: FakeClock, late: float = 0.0) -> Liveness:
    outbox: Any = Outbox(late)
    return Liveness([outbox], clock)


def test_a_process_whose_loops_go_round_is_alive() -> None:
    clock = FakeClock()
    alive, pulse = liveness(clock), Pulse(clock)
    clock.advance(100)
    pulse.is_set()
    alive.show([pulse])

    assert alive.dead() is None


def test_a_loop_that_stands_still_for_a_minute_is_not_alive() -> None:
    clock = FakeClock()
    alive, pulse = liveness(clock), Pulse(clock)
    clock.advance(60)
    alive.show([pulse])

    assert alive.dead() == "the loop of a relay has stood still for 60 s"


def test_a_heartbeat_that_stands_still_for_a_minute_is_not_alive() -> None:
    alive = liveness(FakeClock(), late=61)

    assert alive.dead() == "the heartbeat has stood still for 61 s"


@pytest.mark.parametrize(("seconds", "why"), [(9, None), (11, "the main thread has stood still for 11 s")])
def test_a_main_thread_that_stands_still_for_ten_seconds_is_not_alive(seconds: float, why: str | None) -> None:
    clock = FakeClock()
    alive = liveness(clock)

    clock.advance(seconds)

    assert alive.dead() == why

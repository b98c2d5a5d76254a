"""The driver of a pump: how long it waits after failures, that progress ends their row, and what it says of them."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from outbox.backoff import FIRST_SECONDS
from outbox.delivery.outcome import Idle, Moved, Outcome, Unavailable
from outbox.delivery.pump_loop import PumpLoop
from outbox.delivery.retry import AGAIN_SECONDS, Retry
from outbox.testing import FakeClock
from relay.errors import DeliveryFailed, Verdict
from tests.doubles.waits import Waits

AWAY = AutoReconnect("away")


class ScriptedPump:
    """Comes to one outcome after the other; after a Moved it stands elsewhere."""

    pending = 0

    def __init__(self, *outcomes: Outcome) -> None:
        self.position = (0, None, None)
        self._outcomes = list(outcomes)

    def step(self) -> Outcome:
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Moved):
            self.position = (self.position[0] + 1, None, None)
        return outcome

    def rest(self) -> None: ...

    def drain(self, seconds: float, save_seconds: float) -> None: ...

    @property
    def is_through(self) -> bool:
        return not self._outcomes


def driven(retry: Retry, *outcomes: Outcome) -> None:
    pump: Any = ScriptedPump(*outcomes)
    PumpLoop(retry).run(pump, lambda _: None, lambda _, settled: pump.is_through)


def test_failures_in_a_row_wait_the_longer_the_more_they_are() -> None:
    stop = Waits()

    driven(Retry("of a test", stop, lambda: 1.0), *[Unavailable(AWAY)] * 3, Moved())

    assert stop.seconds == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]


@pytest.mark.parametrize("progress", [Moved(), Idle(settled=True)])
def test_progress_ends_the_row_so_that_rare_errors_cost_no_growing_pauses(progress: Outcome) -> None:
    stop = Waits()

    driven(Retry("of a test", stop, lambda: 1.0), *[Unavailable(AWAY), progress] * 6)

    assert stop.seconds == [FIRST_SECONDS] * 6


def test_also_that_of_errors_outside_the_pump() -> None:
    """As of claiming the cursor or asking for dead letters, between two runs."""
    stop = Waits()
    retry = Retry("of a test", stop, lambda: 1.0)

    for _ in range(6):
        retry.wait(AWAY)
        driven(retry, Moved())

    assert stop.seconds == [FIRST_SECONDS] * 6


def test_an_error_that_does_not_pass_is_raised() -> None:
    with pytest.raises(OperationFailure, match="not authorized"):
        Retry("of a test", Waits(), lambda: 1.0).wait(OperationFailure("not authorized", 13))


def test_an_error_that_lasts_is_said_once_a_minute_and_another_at_once(caplog: pytest.LogCaptureFixture) -> None:
    stop, clock = threading.Event(), FakeClock()
    stop.set()  # so that no retry waits
    retry = Retry("'kafka' of shop.outbox", stop, lambda: 0.0, clock)

    for _ in range(20):
        retry.wait(DeliveryFailed(None, Verdict.RETRY, "no broker answers"))
        clock.advance(AGAIN_SECONDS / 12)
    retry.wait(DeliveryFailed(None, Verdict.RETRY, "fenced"))

    said = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert [line.split("; ")[0].split(": ")[1] for line in said] == ["no broker answers"] * 2 + ["fenced"]

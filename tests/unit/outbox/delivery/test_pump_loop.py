"""The loop around a pump: how long it waits after failures, and that progress ends their row."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from outbox.backoff import FIRST_SECONDS
from outbox.delivery.outcome import Idle, Moved, Outcome, Unavailable
from outbox.delivery.pump_loop import PumpLoop
from outbox.delivery.retry import Retry
from outbox.errors import DeliveryFailed, Verdict
from outbox.shares.reader_logger import ReaderLogger
from tests.doubles.waits import Waits

AWAY = AutoReconnect("away")
LOG = ReaderLogger("relay:kafka", "a test")


class ScriptedPump:
    """Comes to one outcome after the other; after a Moved it stands elsewhere."""

    pending = 0
    failed: DeliveryFailed | None = None

    def __init__(self, *outcomes: Outcome) -> None:
        self.position = (0, None, None)
        self._outcomes = list(outcomes)

    def step(self) -> Outcome:
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Moved):
            self.position = (self.position[0] + 1, None, None)
        return outcome

    def rest(self, seconds: float) -> None: ...

    def drain(self, seconds: float, save_seconds: float) -> None: ...

    @property
    def is_through(self) -> bool:
        return not self._outcomes


def driven(retry: Retry, *outcomes: Outcome) -> None:
    pump: Any = ScriptedPump(*outcomes)
    PumpLoop(retry).run(pump, lambda _: None, lambda _, settled: pump.is_through)


def test_failures_in_a_row_wait_the_longer_the_more_they_are() -> None:
    stop = Waits()

    driven(Retry(LOG, stop, lambda: 1.0), *[Unavailable(AWAY)] * 3, Moved())

    assert stop.seconds == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]


@pytest.mark.parametrize("progress", [Moved(), Idle(settled=True)])
def test_progress_ends_the_row_so_that_rare_errors_cost_no_growing_pauses(progress: Outcome) -> None:
    stop = Waits()

    driven(Retry(LOG, stop, lambda: 1.0), *[Unavailable(AWAY), progress] * 6)

    assert stop.seconds == [FIRST_SECONDS] * 6


def test_also_that_of_errors_outside_the_pump() -> None:
    """As of claiming the cursor or asking for dead letters, between two runs."""
    stop = Waits()
    retry = Retry(LOG, stop, lambda: 1.0)

    for _ in range(6):
        retry.wait(AWAY)
        driven(retry, Moved())

    assert stop.seconds == [FIRST_SECONDS] * 6


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        (None, "not acknowledged in time;"),
        (DeliveryFailed(None, Verdict.RETRY, "no space left"), "not acknowledged (no space left);"),
    ],
)
def test_what_is_left_at_the_end_is_told_with_why(
    caplog: pytest.LogCaptureFixture, failed: DeliveryFailed | None, said: str
) -> None:
    pump: Any = ScriptedPump(Moved())
    pump.pending, pump.failed = 3, failed

    PumpLoop(Retry(LOG, Waits(), lambda: 1.0), drain_seconds=10.0).run(pump, lambda _: None, lambda *_: True)

    assert f"3 record(s) after seq 1 were {said}" in caplog.text

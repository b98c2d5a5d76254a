"""An error that lasts is said once, and every minute after."""

from __future__ import annotations

import logging
import threading

import pytest

from relay.driver import AGAIN_SECONDS, Driver
from relay.errors import DeliveryFailed, Verdict


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_an_error_that_lasts_is_said_once_a_minute_and_another_at_once(caplog: pytest.LogCaptureFixture) -> None:
    stop, clock = threading.Event(), Clock()
    stop.set()  # so that no retry waits
    driver = Driver("'kafka' of shop.outbox", stop, lambda: 0.0, clock)

    failures = 0
    for _ in range(20):
        failures = driver.retry(DeliveryFailed(None, Verdict.RETRY, "no broker answers"), failures)
        clock.now += AGAIN_SECONDS / 12
    driver.retry(DeliveryFailed(None, Verdict.RETRY, "fenced"), failures)

    said = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert [line.split("; ")[0].split(": ")[1] for line in said] == ["no broker answers"] * 2 + ["fenced"]
    assert failures == 20

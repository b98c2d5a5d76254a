"""Waiting for a condition, with a cap: the one place in the tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02
MOST_POLL_SECONDS = 0.1
"""What is long in coming is asked for less often: most conditions ask a server, in many tests at once."""


def wait_until(condition: Callable[[], T | None], cap_seconds: float = 30.0, why: str = "the condition") -> T:
    """Calls `condition` until it returns something true, and returns that. Fails the test after `cap_seconds`.

    What `condition` raises is raised: say in it what may happen meanwhile.
    """
    began = time.monotonic()
    while True:
        if result := condition():
            return result
        waited = time.monotonic() - began
        if waited > cap_seconds:
            raise AssertionError(f"waited {cap_seconds} s in vain: {why}")
        time.sleep(min(max(POLL_SECONDS, waited / 20), MOST_POLL_SECONDS))

"""How many requests a second each caller may make, on average."""

from __future__ import annotations

from outbox.clock import Clock, SystemClock
from outbox.gateway.answers import Refusal

BURST_SECONDS = 10


class Rate:
    """Counts requests: a bucket for each caller, that fills with time. For one event loop."""

    def __init__(self, a_second: float, clock: Clock | None = None) -> None:
        self._a_second = a_second
        self._clock = SystemClock() if clock is None else clock
        self._left: dict[str, tuple[float, float]] = {}

    def check(self, name: str) -> None:
        """Counts a request. Raises Refusal when there were too many."""
        now, most = self._clock.monotonic(), self._a_second * BURST_SECONDS
        left, at = self._left.get(name, (most, now))
        left = min(most, left + (now - at) * self._a_second)
        if left < 1:
            raise Refusal(429, "too_many", f"more than {self._a_second:g} requests a second", retry_after=1)
        self._left[name] = left - 1, now

"""How long to wait before trying again: doubling, with jitter for what many do at a time, without for one alone."""

from __future__ import annotations

import threading
from collections.abc import Callable

from outbox.clock import SystemClock

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 5.0


def delay(
    attempt: int, random: Callable[[], float], first: float = FIRST_SECONDS, most: float = LONGEST_SECONDS
) -> float:
    """Seconds to wait after the `attempt`-th failure in a row (from 1): doubling, capped, less up to half by chance.

    `first` and `most` are seconds before chance takes from them. `random` gives floats in [0, 1). The jitter keeps
    relays that lost the same server from coming back in step.
    """
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, not {attempt}")
    # The exponent is capped too: 2.0 ** 1024 overflows, and a broker may be down for days.
    longest = min(most, first * 2.0 ** min(attempt - 1, 32))
    return longest * (0.5 + 0.5 * random())


class Pause:
    """Waits before the next try: longer after each failure, from 0.05 s up to `most` seconds. Not thread-safe."""

    def __init__(self, most: float) -> None:
        self._most = most
        self.seconds = FIRST_SECONDS
        """How long the next wait is."""

    def wait(self, stop: threading.Event | None = None) -> None:
        """Waits, or until `stop` is set; the next wait is longer."""
        SystemClock().wait(self.seconds, stop)
        self.seconds = min(2 * self.seconds, self._most)

    def reset(self) -> None:
        """Begins anew, after a success."""
        self.seconds = FIRST_SECONDS

"""Time, as something to hand in: tests move it, nothing sleeps on it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds of this process. Readings of two processes are never compared."""

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own monotonic clock. Thread-safe."""

    def monotonic(self) -> float:
        return time.monotonic()

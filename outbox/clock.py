"""Time, as something to hand in: tests move it, nothing sleeps on it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds of this process. Readings of two processes are never compared."""

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clock, which nobody sets. Thread-safe.

    Where there is CLOCK_BOOTTIME (Linux), it goes on while the machine sleeps: a holder that wakes up knows that its
    lease may be another's by now. CLOCK_MONOTONIC stands still meanwhile.
    """

    def monotonic(self) -> float:
        return _now()


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_now = _boottime if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic

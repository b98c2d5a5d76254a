"""Time, as something to hand in: tests move it, nothing sleeps on it."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds of this process. Readings of two processes are never compared."""

    def monotonic(self) -> float: ...

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """Waits for so long, or until `stop` is set; says whether it is."""


class SystemClock:
    """The machine's own clock, which nobody sets. Thread-safe.

    Where there is CLOCK_BOOTTIME (Linux), it goes on while the machine sleeps: a holder that wakes up knows that its
    lease may be another's by now. CLOCK_MONOTONIC stands still meanwhile.
    """

    def monotonic(self) -> float:
        return _now()

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """See Clock."""
        return (threading.Event() if stop is None else stop).wait(seconds)


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_now = _boottime if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic

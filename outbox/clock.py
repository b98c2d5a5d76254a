"""Time, as something to hand in: tests move it, nothing sleeps on it."""

from __future__ import annotations

import math
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


def in_step(moment: float) -> float:
    """Returns the last full second up to `moment`, on the machine's clock.

    Who rests until then wakes together with all others of the process. A command sent alone costs twice the CPU of one
    that is sent beside twenty: the processor has slept, and its caches are another's (measured).
    """
    return float(math.floor(moment))


def seconds_in_step(clock: Clock, most: float) -> float:
    """Returns how long to wait, `most` seconds or a little less, so as to wake `in_step`."""
    now = clock.monotonic()
    return in_step(now + most) - now


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_now = _boottime if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic

"""Measures the times from the put of a message until it is seen."""

from __future__ import annotations

import threading
import time

from bench.rig.benchmark import Figures

SECONDS = 60.0
"""How long the last message is waited for."""
_WARM_UP = 0.2
"""This part of the messages, the first ones, is not counted: connections are being made, and code is being loaded."""


class Sightings:
    """Of `count` messages at one place. `wait` and `figures` may be another thread's than the one that calls `saw`."""

    def __init__(self, place: str, count: int) -> None:
        self._place = place
        self._count = count
        self._milliseconds: list[float] = []
        self._failed: Exception | None = None
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def saw(self, sent: int) -> None:
        """Notes that a message was seen now; `sent` is its put, in nanoseconds since the epoch."""
        self._milliseconds.append((time.time_ns() - sent) / 1e6)
        if len(self._milliseconds) == self._count:
            self._ended.set()

    def fail(self, error: Exception) -> None:
        """Notes that nothing more will be seen."""
        self._failed = error
        self._ended.set()

    def wait(self) -> None:
        """Waits until all are seen, for SECONDS at most. Raises what it was failed with."""
        self._ended.wait(SECONDS)
        if self._failed is not None:
            raise self._failed

    def figures(self) -> Figures:
        """The median and the 99th percentile, by nearest rank. Raises TimeoutError when not all were seen."""
        if not self.ended:
            raise TimeoutError(f"{self._place}: {len(self._milliseconds)} of {self._count} messages were seen")
        counted = sorted(self._milliseconds[int(_WARM_UP * self._count) :])
        return {
            f"put → {self._place} p{percent} ms": counted[min(len(counted) * percent // 100, len(counted) - 1)]
            for percent in (50, 99)
        }

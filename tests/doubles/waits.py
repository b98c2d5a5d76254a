"""A stop that nobody sets, for tests of how long something waits."""

from __future__ import annotations

import threading


class Waits(threading.Event):
    """Never set, and no time passes: it keeps how long somebody would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return False

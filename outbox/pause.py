"""A pause before the next try: longer after each failure, short again after each success."""

from __future__ import annotations

import threading

_FIRST_SECONDS = 0.05


class Pause:
    """Doubles from 0.05 s up to `most` seconds. Not thread-safe."""

    def __init__(self, most: float) -> None:
        self._most = most
        self.seconds = _FIRST_SECONDS
        """How long the next one is."""

    def wait(self, stop: threading.Event) -> None:
        """Waits, or until `stop` is set; the next pause is longer."""
        stop.wait(self.seconds)
        self.seconds = min(2 * self.seconds, self._most)

    def reset(self) -> None:
        """Something has succeeded."""
        self.seconds = _FIRST_SECONDS

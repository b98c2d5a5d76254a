"""What a subscription was given and has acknowledged: the position moves over what is done without a gap."""

from __future__ import annotations

import threading
from collections import deque


class Acknowledged:
    """Counts records of one subscription as handled, in any order. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: deque[int] = deque()
        self._done: set[int] = set()
        self._newest = 0
        self.place: int | None = None
        """Up to where all that was given is acknowledged; None before the first."""
        self.count = 0
        """How many records that are."""
        self.moved = threading.Event()
        """Is set when the place has moved, or it is over."""
        self.is_over = False

    def gives(self, seq: int) -> bool:
        """Notes a record that is to be given; False for one that was given already."""
        with self._lock:
            if seq <= self._newest:
                return False
            self._newest = seq
            self._given.append(seq)
            return True

    def ack(self, seq: int) -> None:
        """Counts a record as handled; one that was not given here has no effect."""
        with self._lock:
            if not self._given or not self._given[0] <= seq <= self._newest:
                return
            self._done.add(seq)
            while self._given and self._given[0] in self._done:
                self.place = self._given.popleft()
                self._done.discard(self.place)
                self.count += 1
                self.moved.set()

    def end(self) -> None:
        """Wakes who waits for the place to move: it does so no more."""
        self.is_over = True
        self.moved.set()

"""A clock that stands still until it is told to advance."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from outbox import dates

_DAY = datetime(2025, 1, 1, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until it is told to advance. Thread-safe.

    now: the seconds it begins at. date: the date it has then; naive means UTC.
    """

    def __init__(self, now: float = 0.0, *, date: datetime = _DAY) -> None:
        self._lock = threading.Lock()
        self._now = self._began = now
        self._date = dates.aware(date)

    def monotonic(self) -> float:
        """Returns its seconds."""
        return self._now

    @property
    def date(self) -> datetime:
        """Returns its date, aware: it goes on as the seconds do."""
        return self._date + timedelta(seconds=self._now - self._began)

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """Moves it on by so much, at once, unless `stop` is set; says whether that is."""
        if stop is not None and stop.is_set():
            return True
        self.advance(seconds)
        return False

    def advance(self, seconds: float) -> None:
        """Moves it on; a negative number would make it no monotonic clock."""
        if seconds < 0:
            raise ValueError(f"a monotonic clock cannot go back {-seconds} s")
        with self._lock:
            self._now += seconds

"""What an asynchronous iterator gives before the log: read a portion at a time, as the log is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from outbox.log.record import Record
from outbox.readers.query import First


class Portion(NamedTuple):
    """Holds what was read of what comes first."""

    start: int
    """The seq of the first record of the log that comes afterwards."""
    records: Sequence[Record[Any]]
    """None when all of it was read."""


class FirstPortions:
    """Reads what comes before the log on a thread; between two portions it has no session there."""

    def __init__(self, first: First) -> None:
        self.wants = first.wants
        """Tells whether a record of the log is wanted afterwards."""
        self._first = first
        self._start: int | None = None

    def read(self) -> Portion | None:
        """Reads the next portion; None while it is not there yet. Blocks. Raises as First.begin and First.read."""
        try:
            if self._start is None:
                self._start = self._first.begin()
            return None if self._start is None else Portion(self._start, self._first.read())
        finally:
            self._first.close()

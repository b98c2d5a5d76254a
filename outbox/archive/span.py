"""From where to where history is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outbox import dates
from outbox.archive.formats.chunk_format import Wanted
from outbox.archive.manifest import Entry
from outbox.errors import InvalidStart
from outbox.log.record import Record

Place = int | datetime | None


@dataclass(frozen=True)
class Span:
    """The first and the last seq, and the first and the last `created` in milliseconds.

    first: 0 for whatever there is.
    """

    first: int = 0
    last: float = math.inf
    since: float = -math.inf
    until: float = math.inf

    def begins_after(self, entry: Entry) -> bool:
        """Tells that all of a chunk comes before it."""
        return entry.last < self.first or dates.milliseconds_of(entry.created_last) < self.since

    def ends_before(self, entry: Entry) -> bool:
        """Tells that all of a chunk comes after it."""
        return entry.first > self.last or dates.milliseconds_of(entry.created_first) > self.until

    def wanted(self, types: frozenset[str] | None = None, key: str | None = None, id: bytes | None = None) -> Wanted:
        """Says of what is inside by its seq which records are asked for."""
        return Wanted(self.first, self.last, types, key, id)

    def holds(self, record: Record[Any]) -> bool:
        """Tells that a record is inside by its date."""
        return self.since <= record.created_ms <= self.until


def asked_span(start: Place, end: Place) -> Span:
    """Reads what a caller asks for; None, and 0 for `start`: all there is. Raises InvalidStart."""
    for name, place in (("start", start), ("end", end)):
        if (
            isinstance(place, bool)
            or not isinstance(place, (int, datetime, type(None)))
            or (isinstance(place, int) and place < 0)
        ):
            raise InvalidStart(f"{name}={place!r}: give a seq, a datetime, or None for all there is")
    return Span(
        first=start if isinstance(start, int) else 0,
        last=end if isinstance(end, int) else math.inf,
        since=dates.milliseconds(dates.aware(start)) if isinstance(start, datetime) else -math.inf,
        until=dates.milliseconds(dates.aware(end)) if isinstance(end, datetime) else math.inf,
    )

"""What a replay is asked for: from where to where, and which messages of that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from outbox import dates
from outbox.delivery.ports import LogBatchReader, OpenOutbox, Wanted
from outbox.errors import InvalidStart
from outbox.history.reader import Part
from outbox.history.with_history import WithHistory
from outbox.log.position import Bounds
from outbox.readers.start import WORDS, Start, resolve
from outbox.readers.start import read as read_words

_DATE_STEP = timedelta(milliseconds=1)  # BSON's dates have no less


def read_place(text: str, flag: str) -> Start:
    """Reads a seq, a date, `earliest` or `latest`. Raises InvalidStart, which names the flag."""
    try:
        return read_words(text, WORDS)
    except ValueError:
        raise InvalidStart(
            f"{flag} {text!r} is none of: a seq, a date such as 2025-01-31T12:00Z, earliest, latest"
        ) from None


@dataclass(frozen=True)
class Asked:
    """Holds what a replay is asked for. Immutable.

    first, last: both included; a date takes in what was created then. types, key: None for all.
    """

    first: Start
    last: Start
    types: tuple[str, ...] | None = None
    key: str | None = None

    @property
    def wanted(self) -> Wanted | None:
        """Tells which records are sent; None for all of them."""
        types, key = self.types, self.key
        if types is None and key is None:
            return None
        return lambda record: (types is None or record.type in types) and (key is None or record.key == key)

    def reader(self, outbox: OpenOutbox, first: int, last: int) -> LogBatchReader:
        """Opens a reader from `first` on; of an archive it reads only the types asked for, and the record `last`."""
        if isinstance(outbox, WithHistory) and self.types is not None:
            return outbox.reader(first, Part(last, self.types))
        return outbox.reader(first)

    def document(self) -> dict[str, Any]:
        """Returns it as it is stored, to be compared with what is asked for later."""
        types = None if self.types is None else sorted(self.types)
        return {"first": _text(self.first), "last": _text(self.last), "types": types, "key": self.key}

    def resolve(self, log: Bounds) -> tuple[int, int]:
        """Returns the first and the last seq; the last is before the first when there is nothing between them.

        Raises InvalidStart for what is beyond the log, or ends before it begins; HistoryLost for a seq that it does
        not hold any more; pymongo's errors.
        """
        first, last = resolve(self.first, log), self._last(log)
        if last < first - 1 and type(self.first) is type(self.last):
            raise InvalidStart(f"--from {self.first} --to {self.last}: it ends before it begins")
        return first, last

    def _last(self, log: Bounds) -> int:
        if isinstance(self.last, datetime):
            return log.seq_at(dates.aware(self.last) + _DATE_STEP) - 1
        if self.last == "latest":
            return log.head()
        if self.last == "earliest":
            return log.earliest()
        assert isinstance(self.last, int)
        if self.last > (head := log.head()):
            raise InvalidStart(f"--to {self.last} is beyond the log, whose newest seq is {head}: `latest` is that one")
        return self.last


def _text(place: Start) -> str:
    return place.astimezone(UTC).isoformat() if isinstance(place, datetime) else str(place)

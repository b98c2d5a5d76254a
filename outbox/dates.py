"""Dates as text: ISO 8601, UTC, always three digits of a second, as in `2025-01-02T03:04:05.678Z`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bson.datetime_ms import DatetimeMS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The Gregorian calendar repeats every 400 years: 146,097 days.
_CYCLE_YEARS = 400
_CYCLE_MILLISECONDS = 146_097 * 86_400_000
_MILLISECOND = timedelta(milliseconds=1)


def read(text: str) -> datetime:
    """Reads an ISO 8601 date, which is in UTC when it names no zone. Raises ValueError."""
    return aware(datetime.fromisoformat(text))


def aware(value: datetime) -> datetime:
    """Returns the same date; in UTC when it names no zone."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def milliseconds_of(text_of_date: str) -> int:
    """Reads what `text` writes, as milliseconds since the epoch. Raises ValueError."""
    dash = text_of_date.index("-", 1)  # a year may have a sign
    cycles, year = divmod(int(text_of_date[:dash]) - 2000, _CYCLE_YEARS)
    twin = datetime.fromisoformat(f"{2000 + year}{text_of_date[dash:]}")
    return (twin - _EPOCH) // _MILLISECOND + cycles * _CYCLE_MILLISECONDS


def milliseconds(value: datetime | DatetimeMS) -> int:
    """Returns a BSON date as milliseconds since the epoch, also one that Python's datetime cannot hold."""
    return (aware(value) - _EPOCH) // _MILLISECOND if isinstance(value, datetime) else int(value)


def text(value: datetime | DatetimeMS) -> str:
    """An aware UTC datetime, or milliseconds that Python's datetime cannot hold, as text.

    Years outside 0–9999 are written as JavaScript does: a sign and at least six digits (`+012345-…`).
    """
    if isinstance(value, datetime):
        # "+00:00" is cut off by position: an aware UTC datetime always has 23 characters before it.
        return value.isoformat(timespec="milliseconds")[:23] + "Z"
    cycles, rest = divmod(int(value), _CYCLE_MILLISECONDS)
    twin = _EPOCH + timedelta(milliseconds=rest)
    year = twin.year + cycles * _CYCLE_YEARS
    years = f"{year:04d}" if 0 <= year <= 9999 else f"{'-' if year < 0 else '+'}{abs(year):06d}"
    return years + text(twin)[4:]

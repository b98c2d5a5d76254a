"""What the writer in C goes by: tuples that say of each field what its values are, and how they are stored.

A kind of message classes makes them of its own fields. The writer takes what is plain, and no more: it refuses nothing,
makes no error, and leaves all else to the kind.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import bson

from outbox.mongo.codec import DECODED

try:
    from outbox.messages.writing._writer import write
except ImportError:  # it is built where there is a C compiler; without it everything works, more slowly
    write = None  # type: ignore[assignment]  # its stub knows nothing of that

__all__ = ["write"]

ValueLayout = tuple[Any, ...]
"""One of these, as the writer knows them by their numbers:

`(TEXT, shortest, longest, choices)`, `(INT | LONG | DOUBLE, bounds, choices)`, `(DECIMAL, bounds, choices, Decimal)`,
`(BOOL,)`, `(DOCUMENT, its class, the attribute that has its values, DocumentLayout)`, `(LIST, classes, shortest,
longest, ValueLayout)`, `(BY_PYTHON, function)`.
None is no limit and no choices. A function takes a value, and returns the byte of its type and its bytes; what it
raises comes out of the writer.
"""
FieldLayout = tuple[str, bytes, int, int, ValueLayout]
"""The attribute, the stored name, what is made of no value, and what of None: LEFT, LEFT_OUT or NULL."""
DocumentLayout = tuple[FieldLayout, ...]
Bounds = tuple[tuple[int, Any], ...]
"""What a number is compared with, and how: `((GE, 0), (LT, 100))` for one from 0 to below 100."""

TEXT, INT, LONG, DOUBLE, DECIMAL, BOOL, DOCUMENT, LIST, BY_PYTHON = range(9)
LEFT, LEFT_OUT, NULL = range(3)
"""The message is left to its kind; nothing is stored; null is stored."""
LT, LE, GT, GE = 0, 1, 4, 5
"""As Python's own `Py_LT` and so on."""
_LONGEST = 1 << 31
_EPOCH, _UTC_EPOCH = datetime(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)  # noqa: DTZ001  # a date without a zone is in UTC
_MILLISECOND = timedelta(milliseconds=1)
_DATE = struct.Struct("<cq")


def bounds(**given: Any) -> Bounds:
    """Lays out what a number is to be: `ge`, `gt`, `le` and `lt`, each a number, or None for no such bound."""
    ways = {"ge": GE, "gt": GT, "le": LE, "lt": LT}
    return tuple((ways[way], bound) for way, bound in given.items() if bound is not None)


def is_length(*given: object) -> bool:
    """Tells whether the writer can compare lengths with these; None is no limit."""
    return all(value is None or (type(value) is int and value < _LONGEST) for value in given)


def by_python(stored: Callable[[Any], Any]) -> ValueLayout:
    """Lays out a value that Python makes ready, by a function that returns what is stored, and the driver encodes."""
    return BY_PYTHON, lambda value: encoded(stored(value))


def encoded(stored: Any) -> bytes:
    """Encodes a value as the driver does: the byte of its type, and its bytes."""
    alone = bson.encode({"": stored}, codec_options=DECODED)  # length, type, an empty name, value, and a zero byte
    return alone[4:5] + alone[6:-1]


def encoded_date(value: datetime) -> bytes | None:
    """Encodes a date that is in UTC, or names no zone and is in UTC all the same, sooner than the driver does. None for
    others. Raises TypeError for one whose zone has no offset."""
    if value.tzinfo is None:
        return _DATE.pack(b"\x09", (value - _EPOCH) // _MILLISECOND)
    if value.tzinfo is UTC or not value.utcoffset():
        return _DATE.pack(b"\x09", (value - _UTC_EPOCH) // _MILLISECOND)
    return None

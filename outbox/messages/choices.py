"""Values of an `enum`, compared as the server does: 1, 1.0 and Decimal128("1") are one value, 1 and true are two."""

from __future__ import annotations

import uuid
from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from bson import Binary, Decimal128
from bson.datetime_ms import DatetimeMS

from outbox import dates


def distinct(values: Iterable[Any]) -> list[Any]:
    """Keeps the first of those that are the same to the server, which refuses an `enum` that has a value twice."""
    kept: dict[Hashable, Any] = {}
    for value in values:
        kept.setdefault(identity(value), value)
    return list(kept.values())


def identity(value: Any) -> Hashable:
    """Makes what two values have in common if, and only if, the server takes them for one."""
    match value:
        case bool():
            return bool, value
        case int() | float() | Decimal() | Decimal128():
            number = value.to_decimal() if isinstance(value, Decimal128) else Decimal(value)
            return Decimal, "NaN" if number.is_nan() else number
        case datetime() | DatetimeMS():
            return datetime, dates.milliseconds(value)
        case uuid.UUID():
            return bytes, 4, value.bytes
        case bytes():
            return bytes, value.subtype if isinstance(value, Binary) else 0, bytes(value)
        case Mapping():
            return dict, frozenset((name, identity(item)) for name, item in value.items())
        case list() | tuple():
            return list, tuple(identity(item) for item in value)
    return type(value), value if isinstance(value, Hashable) else repr(value)

"""Finds BSON values that MongoDB stores, but that JSON does not have, so that no relay could deliver them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from outbox.errors import InvalidMessage

_PLAIN = frozenset({str, int, bool, type(None), bytes, datetime, ObjectId, UUID, Int64, Binary})  # most values
_MISSING = (Timestamp, Regex, re.Pattern, Code, MinKey, MaxKey)


def check_json(type: str, data: Mapping[str, Any]) -> None:
    """Raises InvalidMessage for data with such a value."""
    missing = not_json(data)
    if missing is not None:
        raise InvalidMessage(f"{type}: {missing}: no relay could deliver it")


def not_json(data: Mapping[str, Any]) -> str | None:
    """Finds the first value of a message's data, at any depth, that JSON does not have: its path and what it is.

    data: as it is to be stored, by the fields' stored names. None when JSON has them all.
    """
    finding = _first(data.items(), ".{}")
    return None if finding is None else finding.removeprefix(".")


def _first(items: Iterable[tuple[Any, Any]], step: str) -> str | None:
    for name, value in items:
        kind = type(value)
        if kind in _PLAIN or (kind is float and math.isfinite(value)):
            continue
        if (finding := _finding(value)) is not None:
            return step.format(name) + finding
    return None


def _finding(value: Any) -> str | None:
    if isinstance(value, DBRef):
        value = value.as_doc()
    if isinstance(value, Mapping):
        return _first(value.items(), ".{}")
    if isinstance(value, (list, tuple)):
        return _first(enumerate(value), "[{}]")
    if isinstance(value, _MISSING):
        return f" is a {type(value).__name__}, which JSON does not have"
    is_finite = math.isfinite(value) if isinstance(value, float) else _is_finite(value)
    return None if is_finite else f" is {value}, which JSON does not have"


def _is_finite(value: Any) -> bool:
    """Tells by the bits whether it is finite: `to_decimal` raises for a signalling NaN."""
    return not isinstance(value, Decimal128) or value.bid[-1] & 0x78 != 0x78

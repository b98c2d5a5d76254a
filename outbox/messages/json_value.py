"""Encodes a message's data as JSON text: the value of a Kafka record, and what the gateway gives."""

from __future__ import annotations

import base64
import math
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from bson import DBRef, Decimal128, Int64, ObjectId
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS

from outbox import dates
from outbox.errors import OutboxError


class Unencodable(OutboxError):
    """Data that JSON cannot hold without changing it. Names the path of the value and what it is."""


def _decimal(value: Decimal128) -> str:
    if not _is_finite(value):
        raise Unencodable("not finite")  # which one is found afterwards, with its path
    return str(value)


def _is_finite(value: Decimal128) -> bool:
    """Says by the bits whether it is a number: `to_decimal` raises for a signalling NaN."""
    return value.bid[-1] & 0x78 != 0x78


def _document(reference: DBRef) -> dict[str, Any]:
    """Returns the document ({$ref, $id, …}) that a reference is in BSON; only the driver makes it an object."""
    return dict(reference.as_doc())


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


_PLAIN: dict[type, Callable[[Any], Any]] = {
    datetime: dates.text,
    DatetimeMS: dates.text,
    ObjectId: str,
    Decimal128: _decimal,
    Int64: int,
    bytes: _base64,
    Binary: _base64,
    DBRef: _document,
}
# What orjson itself writes as the contract says.
_SCALARS = {str, int, float, bool, uuid.UUID}


def _plain(value: Any) -> Any:
    return _PLAIN[type(value)](value)


# Subclasses go through `_plain`, because `bson.Code` is a str to Python and would pass as one.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def json_value(data: dict[str, Any]) -> bytes:
    """Encodes `data` as compact UTF-8 JSON, in its own field order. Pure, thread-safe. Raises Unencodable.

    ObjectId hex, Decimal128 text, dates `2025-01-02T03:04:05.678Z`, Int64 a number, binary base64, UUID canonical.
    """
    try:
        encoded = orjson.dumps(data, _plain, _OPTIONS)
    except orjson.JSONEncodeError as error:
        offender = _offender(data, "data")
        raise Unencodable(offender if offender is not None else f"data is not JSON: {error}") from error
    # orjson writes NaN and the infinities as null, which is another value. Looking for the word first is exact, for
    # they cannot become anything else, and most data need not be walked through.
    if b"null" in encoded:
        offender = _offender(data, "data")
        if offender is not None:
            raise Unencodable(offender)
    return encoded


def _offender(value: Any, path: str) -> str | None:
    """Names the first value inside `value` that JSON cannot hold, as a sentence; None if there is none."""
    if type(value) is DBRef:
        value = _document(value)
    if isinstance(value, dict):
        inner = ((field, f"{path}.{name}") for name, field in value.items())
    elif isinstance(value, list):
        inner = ((item, f"{path}[{index}]") for index, item in enumerate(value))
    elif (type(value) is float and not math.isfinite(value)) or (type(value) is Decimal128 and not _is_finite(value)):
        return f"{path} is {value}, which JSON does not have"
    elif value is None or type(value) in _SCALARS or type(value) in _PLAIN:
        return None
    else:
        return f"{path} is a BSON {type(value).__name__}, which JSON does not have"
    return next((offender for part, where in inner if (offender := _offender(part, where)) is not None), None)

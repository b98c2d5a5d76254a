"""Functions that make of BSON's simple values what a writer of Avro takes."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from bson import Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS

from outbox import dates

Fit = Callable[[Any], Any]
"""Returns a value as the schema asks for it. Raises Unfit."""
_DATES = (datetime, DatetimeMS)
_TEXTS = (ObjectId, Decimal128, UUID)
_WHOLE = frozenset({int, Int64})
_INT32 = 1 << 31
_INT64 = 1 << 63
_DAY = 86_400_000
_TICKS = {None: 1, "timestamp-millis": 1, "timestamp-micros": 1_000, "timestamp-nanos": 1_000_000}
"""By a long's logical type, how many of it a millisecond has."""


class Unfit(Exception):
    """A value that a schema does not take."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.path = ""

    def __str__(self) -> str:
        return f"data{self.path} {self.args[0]}"

    def inside(self, part: str) -> Unfit:
        """Says in what of the data it was met: `.NAME` or `[NUMBER]`."""
        self.path = part + self.path
        return self


def shown(value: Any) -> str:
    """Names a value's type, and never the value: an error's text gets to logs."""
    return "null" if value is None else f"of the type {type(value).__name__}"


def no(wanted: str, value: Any) -> Unfit:
    """Makes the error of a value of another type than the schema has."""
    return Unfit(f"is {shown(value)}, and the schema has {wanted}")


def scalar(schema: Mapping[str, Any]) -> Fit:
    """Returns the function of a schema that has no others in it. Raises KeyError for what is no type of Avro's."""
    logical = schema.get("logicalType")
    match schema["type"]:
        case "enum":
            return _enum(frozenset(schema["symbols"]))
        case "bytes" | "fixed":
            return _decimal(schema) if logical == "decimal" else _bytes(schema.get("size"))
        case "long":
            return _long(logical)
        case "int":
            return _day if logical == "date" else _int
    return _SCALARS[schema["type"]]


def _null(value: Any) -> None:
    if value is not None:
        raise no("null", value)


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise no("a boolean", value)
    return value


def _string(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, _TEXTS):
        return str(value)
    if isinstance(value, _DATES):
        return dates.text(value)
    raise no("a string", value)


def _int(value: Any) -> int:
    if type(value) not in _WHOLE:
        raise no("an int", value)
    if not -_INT32 <= value < _INT32:
        raise Unfit("is beyond the 32 bits of an int")
    return int(value)


def _day(value: Any) -> int:
    if not isinstance(value, _DATES):
        return _int(value)
    days, rest = divmod(dates.milliseconds(value), _DAY)
    if rest:
        raise Unfit("has a time, which the schema's date would lose")
    return _int(days)


def _long(logical: str | None) -> Fit:
    ticks = _TICKS.get(logical)

    def fit(value: Any) -> int:
        if type(value) in _WHOLE:
            return int(value)
        if ticks is None or not isinstance(value, _DATES):
            raise no(f"a long for {logical}" if logical else "a long", value)
        found = dates.milliseconds(value) * ticks
        if not -_INT64 <= found < _INT64:
            raise Unfit(f"is a date beyond what a long for {logical} holds")
        return found

    return fit


def _double(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) not in _WHOLE:
        raise no("a double", value)
    if int(float(value)) != value:
        raise Unfit("is a whole number that a double would round")
    return float(value)


def _float(value: Any) -> float:
    found = _double(value)
    if math.isfinite(found):
        try:
            is_exact = struct.unpack("f", struct.pack("f", found))[0] == found
        except OverflowError:
            is_exact = False
        if not is_exact:
            raise Unfit("is a number that a float of 32 bits would round")
    return found


def _enum(symbols: frozenset[str]) -> Fit:
    def fit(value: Any) -> str:
        if type(value) is not str or value not in symbols:
            raise Unfit("is none of the schema's symbols")
        return value

    return fit


def _bytes(size: int | None) -> Fit:
    def fit(value: Any) -> bytes:
        found = value.binary if type(value) is ObjectId else value
        if not isinstance(found, bytes):
            raise no("bytes", value)
        if size not in (None, len(found)):
            raise Unfit(f"has {len(found)} bytes, and the schema {size}")
        return bytes(found)

    return fit


def _decimal(schema: Mapping[str, Any]) -> Fit:
    scale, precision = schema.get("scale", 0), schema["precision"]
    plain = _bytes(schema.get("size"))

    def fit(value: Any) -> Any:
        if type(value) is not Decimal128:
            return plain(value)
        if value.bid[-1] & 0x78 == 0x78:  # by the bits: to_decimal raises for a signalling NaN
            raise Unfit("is not finite, which Avro does not have")
        number = value.to_decimal()
        _, digits, exponent = number.as_tuple()
        assert isinstance(exponent, int)
        if -exponent > scale:
            raise Unfit(f"has more than the {scale} decimal place(s) of the schema")
        if number and len(digits) + exponent + scale > precision:
            raise Unfit(f"has more than the {precision} digits of the schema")
        return number

    return fit


_SCALARS: dict[str, Fit] = {"null": _null, "boolean": _boolean, "string": _string, "double": _double, "float": _float}

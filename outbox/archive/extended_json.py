"""A record's fields as relaxed Extended JSON (v2), and back, with nothing of BSON lost."""

from __future__ import annotations

import base64
import math
import re
from datetime import datetime
from typing import Any

from bson import Decimal128, Int64, ObjectId, json_util
from bson.binary import UUID_SUBTYPE, Binary, UuidRepresentation
from bson.codec_options import DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.json_util import DatetimeRepresentation, JSONMode, JSONOptions
from bson.tz_util import utc

from outbox import dates
from outbox.mongo.codec import Document

_READ = JSONOptions(
    tz_aware=True,
    uuid_representation=UuidRepresentation.UNSPECIFIED,  # with another, a UUID of subtype 3 comes back as one of 4
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
_EXACT = JSONOptions(
    json_mode=JSONMode.CANONICAL,
    uuid_representation=UuidRepresentation.UNSPECIFIED,
    datetime_representation=DatetimeRepresentation.NUMBERLONG,
)
_RESERVED_NAME = re.compile(rb"\$(?<=[\x01-\x13\x7f\xff]\$)")
# The last \x01 before a zero is enough; to look from each of them would take minutes for a text of many.
_NO_NUMBER = re.compile(rb"\x01[^\x00\x01]*\x00.{6}[\xf0-\xff][\x7f\xff]", re.DOTALL)
_INT32 = 1 << 31
_PLAIN = frozenset({str, float, bool, type(None)})


def is_suspect(document: bytes) -> bool:
    """Tells whether BSON may have what JSON takes for something else: a name that begins with `$`, which Extended JSON
    has for its own, or a double that is NaN or infinite. It may say so of other documents."""
    return _RESERVED_NAME.search(document) is not None or _NO_NUMBER.search(document) is not None


def default(value: object) -> Any:
    """Writes a value that JSON has not, for the JSON library. Raises TypeError for one that `careful` must look at."""
    try:
        return _WRITERS[type(value)](value)
    except KeyError:
        raise TypeError(type(value).__name__) from None


def _long(value: Int64) -> Any:
    """A plain number only where nobody can take it for an int32."""
    return {"$numberLong": str(int(value))} if -_INT32 <= value < _INT32 else int(value)


def _date(value: datetime) -> Any:
    if value.year < 1970:
        return _far_date(value)
    if value.tzinfo is not None:  # always UTC
        value = value.replace(tzinfo=None)
    return {"$date": value.isoformat(timespec="milliseconds" if value.microsecond else "seconds") + "Z"}


def _far_date(value: datetime | DatetimeMS) -> Any:
    return {"$date": {"$numberLong": str(dates.milliseconds(value))}}


def _binary(value: bytes) -> Any:
    subtype = value.subtype if isinstance(value, Binary) else 0
    return {"$binary": {"base64": base64.b64encode(value).decode(), "subType": f"{subtype:02x}"}}


def _decimal(value: Decimal128) -> Any:
    text = str(value)
    if Decimal128(text).bid != value.bid:  # some have several forms of one value
        raise TypeError("Decimal128")
    return {"$numberDecimal": text}


_WRITERS: dict[type, Any] = {
    Int64: _long,
    datetime: _date,
    DatetimeMS: _far_date,
    ObjectId: lambda value: {"$oid": str(value)},
    bytes: _binary,
    Binary: _binary,
    Decimal128: _decimal,
}


def careful(value: Any) -> Any:
    """Writes any value as what JSON has, slowly. It may say less than the value: read it back, and compare."""
    if isinstance(value, dict):
        return {name: careful(each) for name, each in value.items()}
    if isinstance(value, list):
        return [careful(each) for each in value]
    if value is None or type(value) in (str, bool, int):
        return value
    if isinstance(value, float):
        return (
            value
            if math.isfinite(value)
            else {"$numberDouble": str(value).replace("inf", "Infinity").replace("nan", "NaN")}
        )
    try:
        return default(value)
    except TypeError:
        return careful(json_util.default(value, _EXACT))


def _value(found: Document) -> Any:
    if len(found) == 1:  # the usual ones; json_util takes ten times as long
        [(name, text)] = found.items()
        if name == "$date" and type(text) is str and text[-1:] == "Z":
            return datetime.fromisoformat(text[:-1]).replace(tzinfo=utc)
        if name == "$numberLong" and type(text) is str:
            return Int64(text)
    value = json_util.object_hook(found, _READ)
    is_uuid = isinstance(value, Binary) and value.subtype == UUID_SUBTYPE and len(value) == 16
    return value.as_uuid() if is_uuid else value


def read(value: Any) -> Any:
    """Makes of parsed Extended JSON the values that the log's readers give. Raises what json_util raises."""
    kind = type(value)
    if kind is dict:
        found = {name: each if type(each) in _PLAIN else read(each) for name, each in value.items()}
        for name in found:
            if name[:1] == "$":
                return _value(found)
        return found
    if kind is list:
        return [each if type(each) in _PLAIN else read(each) for each in value]
    if kind is int and not -_INT32 <= value < _INT32:
        return Int64(value)
    return value

"""Reads data in JSON, as Kafka has it, by a `$jsonSchema`: dates, ids, decimals and bytes are text there."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from bson import Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from bson.errors import BSONError

from outbox import dates
from outbox.messages.dialects import JSON
from outbox.messages.plain.evaluation import finding

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DATE = re.compile(r"[+-]?\d{4,6}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)")
_INT = 1 << 31


def from_json(schema: Mapping[str, Any], value: Any) -> Any:
    """Returns the value as BSON has it. What cannot be read as the schema says stays as it is, for it to be refused."""
    for part in schema.get("allOf", ()):
        value = from_json(part, value)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            value = _chosen(schema[choice], value)
    if "enum" in schema:
        return next((each for each in schema["enum"] if _same(JSON.value(each), value)), value)
    kinds = _kinds(schema)
    if isinstance(value, dict):
        return {name: from_json(_property(schema, name), each) for name, each in value.items()}
    if isinstance(value, list):
        return [from_json(_item(schema, at), each) for at, each in enumerate(value)]
    if isinstance(value, str):
        return _text(kinds, value)
    if isinstance(value, int) and not isinstance(value, bool):
        if "double" in kinds and not kinds & {"int", "long", "number"}:
            return float(value) if abs(value) <= 1 << 53 else value
        if "long" in kinds and "int" not in kinds and abs(value) < 1 << 63:
            return Int64(value)
    return value


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _chosen(parts: list[Mapping[str, Any]], value: Any) -> Any:
    """Reads it by the first part that takes it then."""
    for part in parts:
        read = from_json(part, value)
        if not isinstance(finding(part, read), str):
            return read
    return value


def _kinds(schema: Mapping[str, Any]) -> frozenset[str]:
    given = schema.get("bsonType", schema.get("type", ()))
    return frozenset((given,) if isinstance(given, str) else given)


def _property(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name in schema.get("properties", {}):
        return schema["properties"][name]  # type: ignore[no-any-return]  # a schema in a schema
    for pattern, part in schema.get("patternProperties", {}).items():
        if re.search(pattern.replace(r"\z", r"\Z"), name):
            return part  # type: ignore[no-any-return]  # as above
    other = schema.get("additionalProperties")
    return other if isinstance(other, Mapping) else {}


def _item(schema: Mapping[str, Any], at: int) -> Mapping[str, Any]:
    items = schema.get("items", {})
    if isinstance(items, list):
        items = items[at] if at < len(items) else schema.get("additionalItems")
    return items if isinstance(items, Mapping) else {}


def _text(kinds: frozenset[str], value: str) -> Any:
    if "string" in kinds:
        return value
    for kind, read in _READ.items():
        if kind in kinds:
            try:
                return read(value)
            except (ValueError, ArithmeticError, BSONError, binascii.Error):
                continue
    return value


def _date(value: str) -> DatetimeMS | Any:
    """Reads a date with its zone, and whole milliseconds: BSON has no more, and another date would be stored."""
    if not _DATE.fullmatch(value):
        raise ValueError(value)
    if value.endswith("Z") and (value[0] in "+-" or len(value.partition("-")[0]) > 4):
        return DatetimeMS(dates.milliseconds_of(value))
    return dates.read(value)


def _binary(value: str) -> bytes | UUID:
    return UUID(value) if _UUID.fullmatch(value) else base64.b64decode(value, validate=True)


_READ: dict[str, Callable[[str], Any]] = {
    "date": _date,
    "objectId": ObjectId,
    "decimal": Decimal128,
    "number": Decimal128,
    "binData": _binary,
}

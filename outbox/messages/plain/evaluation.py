"""Evaluates a `$jsonSchema` on BSON values as the server does, but for patterns that Python reads differently."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

from bson import Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS

from outbox.messages.choices import identity
from outbox.messages.dialects import is_portable

Schema = Mapping[str, Any]


class Open(enum.Enum):
    """What only the server can say."""

    OPEN = "open"


Finding = str | Open | None
"""Why a value is refused; None when it is taken."""
_EXACT = Context(prec=20_000, Emax=9_999_999, Emin=-9_999_999)
_FIFTEEN = Context(prec=15)
_JSON_TYPES = {"boolean": {"bool"}, "number": {"int", "long", "double", "decimal"}}


def finding(schema: Schema, value: Any, path: str = "") -> Finding:
    """Says why the server would refuse a value, as `path: why`; values as outbox.mongo.codec.DECODED gives them."""
    value = value.as_doc() if isinstance(value, DBRef) else value
    open_parts: Finding = None
    for check in _checks(tuple(schema)):
        found = check(schema, value, path)
        if isinstance(found, str):
            return found
        open_parts = open_parts or found
    return open_parts


@functools.lru_cache(maxsize=1024)
def _checks(keywords: tuple[str, ...]) -> tuple[Callable[[Schema, Any, str], Finding], ...]:
    return tuple(dict.fromkeys(_CHECKS[keyword] for keyword in keywords if keyword in _CHECKS))


def bson_type(value: Any) -> str:
    """Returns the name of a value's BSON type."""
    name = _TYPES.get(type(value))
    if name is not None:
        return name
    if isinstance(value, Code):
        return "javascript" if value.scope is None else "javascriptWithScope"
    return next(name for kind, name in _TYPES.items() if isinstance(value, kind))


_TYPES: dict[type, str] = {
    bool: "bool", Int64: "long", int: "int", float: "double", str: "string", dict: "object", list: "array",
    bytes: "binData", UUID: "binData", ObjectId: "objectId", datetime: "date", DatetimeMS: "date", type(None): "null",
    Decimal128: "decimal", Timestamp: "timestamp", Regex: "regex", MinKey: "minKey", MaxKey: "maxKey",
}  # fmt: skip


def _at(path: str, why: str) -> str:
    return f"{path.removeprefix('.') or 'the data'}: {why}"


def _type(schema: Schema, value: Any, path: str) -> Finding:
    given = schema.get("bsonType", schema.get("type"))
    own = bson_type(value)
    if given == own:
        return None
    names = given if isinstance(given, list) else [given]
    for name in names:
        if own == name or own in _JSON_TYPES.get(name, ()):
            return None
    return _at(path, f"a {own}, not {' or '.join(names)}")


def _enum(schema: Schema, value: Any, path: str) -> Finding:
    if identity(value) in {identity(each) for each in schema["enum"]}:
        return None
    return _at(path, "none of the values of its enum")


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal128)):
        return None
    return value.to_decimal() if isinstance(value, Decimal128) else Decimal(value)


def _bound(keyword: str, sign: int) -> Callable[[Schema, Any, str], Finding]:
    exclusive = f"exclusive{keyword.capitalize()}"

    def check(schema: Schema, value: Any, path: str) -> Finding:
        if type(value) is int and type(schema[keyword]) is int:  # nearly all are, and a Decimal of each takes longer
            over = sign * (value - schema[keyword])
            fits = over > 0 or (over == 0 and not schema.get(exclusive))
            return None if fits else _at(path, f"beyond its {keyword} {schema[keyword]}")
        number, limit = _number(value), _number(schema[keyword])
        if number is None or limit is None:
            return None
        if number.is_nan() or limit.is_nan():
            fits = number.is_nan() and limit.is_nan() and not schema.get(exclusive)
        else:
            fits = (number > limit if sign > 0 else number < limit) or (number == limit and not schema.get(exclusive))
        return None if fits else _at(path, f"beyond its {keyword} {schema[keyword]}")

    return check


def _multiple(schema: Schema, value: Any, path: str) -> Finding:
    number, step = _step(value), _step(schema["multipleOf"])
    if number is None or step is None:
        return None
    fits = number.is_finite() and _EXACT.remainder(number, step) == 0
    return None if fits else _at(path, f"no multiple of {schema['multipleOf']}")


def _step(value: Any) -> Decimal | None:
    """Returns a number as the server divides it: a double with the 15 digits that it surely has."""
    number = _number(value)
    return _FIFTEEN.plus(number) if number is not None and isinstance(value, float) else number


def _size(keyword: str, kinds: tuple[type, ...], unit: str) -> Callable[[Schema, Any, str], Finding]:
    is_least = keyword.startswith("min")

    def check(schema: Schema, value: Any, path: str) -> Finding:
        if not isinstance(value, kinds):
            return None
        size, limit = len(value), schema[keyword]  # type: ignore[arg-type]  # it is one of the kinds
        fits = size >= limit if is_least else size <= limit
        return None if fits else _at(path, f"{size} {unit}, {'less' if is_least else 'more'} than {limit}")

    return check


def _matches(pattern: str, text: str) -> bool | Open:
    if not is_portable(pattern):
        return Open.OPEN
    return re.search(pattern, text) is not None


def _pattern(schema: Schema, value: Any, path: str) -> Finding:
    if not isinstance(value, str):
        return None
    match = _matches(schema["pattern"], value)
    return match if isinstance(match, Open) else None if match else _at(path, f"no match of {schema['pattern']!r}")


def _unique(schema: Schema, value: Any, path: str) -> Finding:
    if not schema["uniqueItems"] or not isinstance(value, list) or len({*map(identity, value)}) == len(value):
        return None
    return _at(path, "an item twice")


def _items(schema: Schema, value: Any, path: str) -> Finding:
    if not isinstance(value, list):
        return None
    items, others = schema.get("items", {}), schema.get("additionalItems", True)
    found: list[Finding] = []
    for index, item in enumerate(value):
        here = f"{path}[{index}]"
        if isinstance(items, dict):
            found.append(finding(items, item, here))
        elif index < len(items):
            found.append(finding(items[index], item, here))
        else:
            found.append(_of_others(others, item, here, "one item too many"))
    return _all(found)


def _required(schema: Schema, value: Any, path: str) -> Finding:
    missing = [name for name in schema["required"] if isinstance(value, dict) and name not in value]
    return _at(f"{path}.{missing[0]}", "is missing") if missing else None


def _properties(schema: Schema, value: Any, path: str) -> Finding:
    """Checks `properties`, `patternProperties` and `additionalProperties`, which depend on each other."""
    if not isinstance(value, dict):
        return None
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    found: list[Finding] = []
    for name, item in value.items():
        here = f"{path}.{name}"
        if not patterns and name in properties:
            found.append(finding(properties[name], item, here))
            continue
        matching = {pattern: _matches(pattern, name) for pattern in patterns}
        found.extend(finding(patterns[each], item, here) for each, matches in matching.items() if matches is True)
        if name in properties:
            found.append(finding(properties[name], item, here))
        elif not any(matches is True for matches in matching.values()):
            is_open = Open.OPEN in matching.values()
            others = _of_others(schema.get("additionalProperties", True), item, here, "is no field of the schema")
            found.append(Open.OPEN if is_open and others is not None else others)
        if Open.OPEN in matching.values():
            found.append(Open.OPEN)
    return _all(found)


def _of_others(schema: Any, value: Any, path: str, why: str) -> Finding:
    if isinstance(schema, bool):
        return None if schema else _at(path, why)
    return finding(schema, value, path)


def _dependencies(schema: Schema, value: Any, path: str) -> Finding:
    if not isinstance(value, dict):
        return None
    found: list[Finding] = []
    for name, needs in schema["dependencies"].items():
        if name in value:
            needed = needs if isinstance(needs, dict) else {"required": needs}
            found.append(finding(needed, value, path))
    return _all(found)


def _all(found: list[Finding]) -> Finding:
    if found.count(None) == len(found):
        return None
    refused = next((each for each in found if isinstance(each, str)), None)
    return refused if refused is not None else next((each for each in found if each is not None), None)


def _all_of(schema: Schema, value: Any, path: str) -> Finding:
    return _all([finding(each, value, path) for each in schema["allOf"]])


def _any_of(schema: Schema, value: Any, path: str) -> Finding:
    found = [finding(each, value, path) for each in schema["anyOf"]]
    if None in found:
        return None
    if Open.OPEN in found:
        return Open.OPEN
    return found[0] if len(found) == 1 else _at(path, f"fits none of {len(found)} alternatives ({found[0]})")


def _one_of(schema: Schema, value: Any, path: str) -> Finding:
    found = [finding(each, value, path) for each in schema["oneOf"]]
    if found.count(None) > 1:
        return _at(path, "fits several alternatives, not one")
    if Open.OPEN in found:
        return Open.OPEN
    return None if None in found else _at(path, f"fits none of {len(found)} alternatives ({found[0]})")


def _not(schema: Schema, value: Any, path: str) -> Finding:
    found = finding(schema["not"], value, path)
    if isinstance(found, Open):
        return found
    return None if found is not None else _at(path, "is what it must not be")


_TEXTS, _LISTS, _DOCUMENTS = (str,), (list,), (dict,)
_CHECKS: dict[str, Callable[[Schema, Any, str], Finding]] = {
    "bsonType": _type, "type": _type, "enum": _enum, "minimum": _bound("minimum", 1), "maximum": _bound("maximum", -1),
    "multipleOf": _multiple, "pattern": _pattern, "uniqueItems": _unique, "items": _items, "additionalItems": _items,
    "minLength": _size("minLength", _TEXTS, "characters"), "maxLength": _size("maxLength", _TEXTS, "characters"),
    "minItems": _size("minItems", _LISTS, "items"), "maxItems": _size("maxItems", _LISTS, "items"),
    "minProperties": _size("minProperties", _DOCUMENTS, "fields"),
    "maxProperties": _size("maxProperties", _DOCUMENTS, "fields"),
    "required": _required, "properties": _properties, "patternProperties": _properties,
    "additionalProperties": _properties, "dependencies": _dependencies,
    "allOf": _all_of, "anyOf": _any_of, "oneOf": _one_of, "not": _not,
}  # fmt: skip

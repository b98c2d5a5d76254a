"""Checks a `$jsonSchema` when it is given: for one keyword that it does not know the server refuses all messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from bson import Decimal128

from outbox.messages.choices import distinct

TYPES = (
    *("double", "string", "object", "array", "binData", "objectId", "bool", "date", "null", "regex", "javascript"),
    *("int", "timestamp", "long", "decimal", "minKey", "maxKey", "number"),
)
JSON_TYPES = ("object", "array", "string", "number", "boolean", "null")


def findings(schema: Any, path: str) -> Iterator[str]:
    """Yields each part of a schema that the server would refuse, as `path: why`."""
    if not isinstance(schema, Mapping):
        yield f"{path}: {schema!r:.60} is no schema: give a dict"
        return
    if "bsonType" in schema and "type" in schema:
        yield f"{path}: it has both bsonType and type: give one of them"
    for keyword, value in schema.items():
        rule = _RULES.get(keyword)
        if rule is None:
            yield f"{path}: MongoDB's $jsonSchema has no keyword {keyword!r}"
        else:
            yield from rule(value, f"{path}.{keyword}")
    for keyword, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if keyword in schema and bound not in schema:
            yield f"{path}: {keyword} needs {bound} beside it; it is true or false"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal128)) and not isinstance(value, bool)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def _of(accepts: Callable[[Any], bool], wanted: str) -> Callable[[Any, str], Iterator[str]]:
    def rule(value: Any, path: str) -> Iterator[str]:
        if not accepts(value):
            yield f"{path}: {value!r:.60} is not {wanted}"

    return rule


def _types(known: tuple[str, ...]) -> Callable[[Any, str], Iterator[str]]:
    def rule(value: Any, path: str) -> Iterator[str]:
        names = value if isinstance(value, list) else [value]
        if not names or len(set(map(str, names))) != len(names):
            yield f"{path}: {value!r:.60} names no type, or one twice"
        for name in names:
            if name not in known:
                yield f"{path}: {name!r:.60} is none of {', '.join(known)}"

    return rule


def _schemas(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list) or not value:
        yield f"{path}: {value!r:.60} is not a list of schemas"
        return
    for index, each in enumerate(value):
        yield from findings(each, f"{path}[{index}]")


def _named(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: {value!r:.60} is not a dict of schemas"
        return
    for name, each in value.items():
        yield from findings(each, f"{path}.{name}")


def _patterns(value: Any, path: str) -> Iterator[str]:
    yield from _named(value, path)
    for name in value if isinstance(value, Mapping) else ():
        yield from _pattern(name, path)


def _pattern(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: {value!r:.60} is not the text of a pattern"
        return
    try:
        re.compile(value.replace(r"\z", r"\Z"))
    except re.error as error:
        yield f"{path}: {value!r:.60} is no pattern ({error})"


def _items(value: Any, path: str) -> Iterator[str]:
    yield from _schemas(value, path) if isinstance(value, list) else findings(value, path)


def _others(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield from findings(value, path)


def _dependencies(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: {value!r:.60} is not a dict"
        return
    for name, each in value.items():
        if not isinstance(each, list):
            yield from findings(each, f"{path}.{name}")
        elif not _is_names(each):
            yield f"{path}.{name}: {each!r:.60} is not a list of names"


def _enum(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list) or not value:
        yield f"{path}: {value!r:.60} is not a list of values"
    elif len(distinct(value)) != len(value):
        yield f"{path}: {value!r:.60} has a value twice"


_SIZE = _of(lambda value: type(value) is int and value >= 0, "a whole number from 0 on")
_TEXT = _of(lambda value: isinstance(value, str), "text")
_TRUTH = _of(lambda value: isinstance(value, bool), "true or false")
_NUMBER = _of(_is_number, "a number")
_RULES: dict[str, Callable[[Any, str], Iterator[str]]] = {
    "title": _TEXT,
    "description": _TEXT,
    "bsonType": _types(TYPES),
    "type": _types(JSON_TYPES),
    "enum": _enum,
    **dict.fromkeys(("minimum", "maximum"), _NUMBER),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum", "uniqueItems"), _TRUTH),
    "multipleOf": _of(lambda value: _is_number(value) and _positive(value), "a number above 0"),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _SIZE),
    "pattern": _pattern,
    "required": _of(_is_names, "a list of names"),
    "properties": _named,
    "patternProperties": _patterns,
    "additionalProperties": _others,
    "additionalItems": _others,
    "items": _items,
    "dependencies": _dependencies,
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _schemas),
    "not": findings,
}


def _positive(value: Any) -> bool:
    number = value.to_decimal() if isinstance(value, Decimal128) else Decimal(value)
    return number.is_finite() and number > 0

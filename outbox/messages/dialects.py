"""Two schema dialects for message classes, MongoDB's `$jsonSchema` and JSON Schema 2020-12; what both read alike."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bson import Binary, Decimal128, ObjectId
from bson.datetime_ms import DatetimeMS

from outbox import dates
from outbox.errors import InvalidMessageClass
from outbox.messages.choices import distinct

Schema = dict[str, Any]

_MOST = Decimal128("9." + "9" * 33 + "E+6144")
_LEAST = Decimal128(f"-{_MOST}")


@dataclass(frozen=True)
class Dialect:
    """Describes one dialect. Structure (`properties`, `items`, `anyOf`, …) is the same in both; leaves differ."""

    keyword: str
    """The keyword of a value's type: `bsonType` or `type`."""
    scalars: Mapping[str, Schema]
    """The schema of each kind of leaf."""
    value: Callable[[Any], Any]
    """Converts a BSON value into one of this dialect, for `enum`."""
    bounded: frozenset[str]
    """The kinds that `minimum` and `maximum` can bound."""
    people: bool
    """Whether people read it: titles and descriptions are kept."""

    def scalar(self, kind: str) -> Schema:
        """Makes the schema of one kind of leaf."""
        return dict(self.scalars[kind])

    def enum(self, values: Iterable[Any]) -> Schema:
        """Makes the schema of a choice between BSON values."""
        return {"enum": distinct(self.value(value) for value in values)}

    def nullable(self, schema: Schema) -> Schema:
        """Makes a copy of the schema that takes null as well."""
        wider = {key: value for key, value in schema.items() if key != "not"}
        if "anyOf" in wider:
            wider["anyOf"] = [*wider["anyOf"], {self.keyword: "null"}]
        if "enum" in wider:
            wider["enum"] = distinct([*wider["enum"], None])
        if self.keyword in wider:
            types = wider[self.keyword]
            wider[self.keyword] = [*([types] if isinstance(types, str) else types), "null"]
        return wider


def _json_value(value: Any) -> Any:
    """Converts a BSON value as the Kafka value has it: what a reader of the topic sees."""
    match value:
        case datetime():
            return dates.text(dates.aware(value).astimezone(UTC))
        case DatetimeMS():
            return dates.text(value)
        case ObjectId() | Decimal128() | Decimal() | uuid.UUID():
            return str(value)
        case Binary() | bytes():
            return base64.b64encode(value).decode("ascii")
        case int() if not isinstance(value, bool):
            return int(value)
        case list() | tuple():
            return [_json_value(item) for item in value]
        case dict():
            return {key: _json_value(item) for key, item in value.items()}
    return value


BSON = Dialect(
    keyword="bsonType",
    scalars={
        "any": {"not": {"bsonType": "null"}},
        "string": {"bsonType": "string"},
        "int": {"bsonType": ["int", "long"]},
        # Drivers of languages with one number type send 5.0 as an int.
        "number": {"bsonType": ["double", "int", "long"]},
        # The bounds leave out NaN and the infinities, which JSON does not have.
        "decimal": {"bsonType": "decimal", "minimum": _LEAST, "maximum": _MOST},
        "bool": {"bsonType": "bool"},
        "date": {"bsonType": "date"},
        "objectId": {"bsonType": "objectId"},
        "uuid": {"bsonType": "binData"},
        "binary": {"bsonType": "binData"},
        "object": {"bsonType": "object"},
        "array": {"bsonType": "array"},
    },
    value=lambda value: value,
    bounded=frozenset({"int", "number", "decimal"}),
    people=False,
)

JSON = Dialect(
    keyword="type",
    scalars={
        "any": {"not": {"type": "null"}},
        "string": {"type": "string"},
        "int": {"type": "integer"},
        "number": {"type": "number"},
        "decimal": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?(E[+-]?[0-9]+)?$"},
        "bool": {"type": "boolean"},
        "date": {"type": "string", "format": "date-time"},
        "objectId": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
        "uuid": {"type": "string", "format": "uuid"},
        "binary": {"type": "string", "contentEncoding": "base64"},
        "object": {"type": "object"},
        "array": {"type": "array"},
    },
    value=_json_value,
    bounded=frozenset({"int", "number"}),
    people=True,
)


def closed(dialect: Dialect, properties: Schema, required: list[str]) -> Schema:
    """Makes the schema of an object of these fields and no other."""
    schema = {**dialect.scalar("object"), "properties": properties, "additionalProperties": False}
    # The server takes no empty `required`.
    return {**schema, "required": required} if required else schema


def dbref(dialect: Dialect, identity: Schema) -> Schema:
    """Makes the schema of a DBRef as it is stored; `cls` is what mongoengine adds for an abstract document."""
    text = dialect.scalar("string")
    return closed(dialect, {"$ref": text, "$id": identity, "$db": text, "cls": text}, required=["$ref", "$id"])


def point(dialect: Dialect) -> Schema:
    """Makes the schema of two numbers."""
    return {**dialect.scalar("array"), "items": dialect.scalar("number"), "minItems": 2, "maxItems": 2}


def geojson(dialect: Dialect, name: str, depth: int) -> Schema:
    """Makes the schema of a GeoJSON object whose coordinates are points inside `depth` lists, none of them empty."""
    coordinates = point(dialect)
    for _ in range(depth):
        coordinates = {**dialect.scalar("array"), "items": coordinates, "minItems": 1}
    return closed(dialect, {"type": {"enum": [name]}, "coordinates": coordinates}, required=["type", "coordinates"])


@dataclass(frozen=True)
class FieldPath:
    """Holds a field's path (`OrderPlaced.lines[].sku`), the dialect of its schema, and the classes around it."""

    dialect: Dialect
    path: str
    within: tuple[type, ...] = ()

    def child(self, step: str) -> FieldPath:
        """Returns the path one step further in."""
        return replace(self, path=self.path + step)

    def error(self, reason: str) -> InvalidMessageClass:
        """Returns the error to raise, which names this path."""
        return InvalidMessageClass(f"{self.path}: {reason}")


# Left out, because the three differ on it: \d \w \s \b (Unicode in Python, ASCII in PCRE), \Z, look-around, back
# references, possessive quantifiers, `{,n}`, inline flags, a bracket or a caret inside a class.
_ESCAPED = r"\\[\^$\\.*+?()\[\]{}|/-]"
_PORTABLE = re.compile(
    rf"""(?:
        [^\\\[\](){{}}.*+?^$|]                                   # a literal
      | {_ESCAPED}
      | \[\^?(?:[^\\\[\]^]|{_ESCAPED})+\]                        # a class
      | [.^$|)] | \(\?: | \((?!\?)
      | (?:[*+?]|\{{[0-9]{{1,3}}(?:,[0-9]{{0,3}})?\}})\??(?![*+?{{])  # a quantifier
    )*""",
    re.VERBOSE,
)


def is_portable(pattern: str) -> bool:
    """Tells whether Python, the server and JSON Schema read a pattern alike."""
    return _PORTABLE.fullmatch(pattern) is not None


def portable_pattern(pattern: re.Pattern[str]) -> str | None:
    """Returns the pattern as `re.match` reads it (anchored at the start); None when others may read it otherwise."""
    if pattern.flags & ~(re.UNICODE | re.ASCII) or not is_portable(pattern.pattern):
        return None
    return f"^(?:{pattern.pattern})"

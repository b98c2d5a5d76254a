"""Translates a `$jsonSchema` into the JSON Schema 2020-12 of the same value on Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import Decimal128

from outbox.messages.dialects import JSON, Schema

_LEAVES = {
    "double": "number", "int": "int", "long": "int", "string": "string", "object": "object", "array": "array",
    "bool": "bool", "boolean": "bool", "date": "date", "objectId": "objectId", "binData": "binary",
    "decimal": "decimal",
}  # fmt: skip
_NUMBERS = [{"type": "number"}, JSON.scalar("decimal")]
_SAME = ("title", "description", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_PLAIN = (*_SAME, "pattern", "required", "uniqueItems")
_NAMED = ("properties", "patternProperties")
_LISTED = ("anyOf", "oneOf", "allOf")


def translated(schema: Mapping[str, Any]) -> Schema:
    """Returns the JSON Schema. Decimals, dates, ids and bytes are text there, so bounds hold for numbers alone."""
    types = schema.get("bsonType", schema.get("type"))
    made: Schema = {keyword: schema[keyword] for keyword in _PLAIN if keyword in schema}
    alternatives = [] if types is None else _alternatives(types if isinstance(types, list) else [types])
    if len(alternatives) == 1:
        made = {**made, **alternatives[0], **({"pattern": made["pattern"]} if "pattern" in made else {})}
    if "enum" in schema:
        made |= JSON.enum(schema["enum"])
    made |= _numbers(schema)
    made |= _parts(schema)
    if len(alternatives) > 1:
        made["allOf"] = [*made.get("allOf", []), {"anyOf": alternatives}] if "anyOf" in made else made.get("allOf", [])
        if "anyOf" not in made:
            made["anyOf"] = alternatives
        if not made["allOf"]:
            del made["allOf"]
    return made


def _alternatives(types: list[str]) -> list[Schema]:
    found: list[Schema] = []
    for name in types:
        leaves = _NUMBERS if name == "number" else [{"type": "null"}] if name == "null" else []
        if name in _LEAVES:
            leaves = [JSON.scalar(_LEAVES[name])]
        found.extend(leaf for leaf in leaves if leaf not in found)
    return found


def _numbers(schema: Mapping[str, Any]) -> Schema:
    made: Schema = {}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if bound in schema:
            made[exclusive if schema.get(exclusive) else bound] = _plain(schema[bound])
    if "multipleOf" in schema:
        made["multipleOf"] = _plain(schema["multipleOf"])
    return made


def _plain(value: Any) -> Any:
    return float(str(value)) if isinstance(value, Decimal128) else value


def _parts(schema: Mapping[str, Any]) -> Schema:
    made: Schema = {}
    for keyword in _NAMED:
        if keyword in schema:
            made[keyword] = {name: translated(each) for name, each in schema[keyword].items()}
    for keyword in _LISTED:
        if keyword in schema:
            made[keyword] = [translated(each) for each in schema[keyword]]
    if "not" in schema:
        made["not"] = translated(schema["not"])
    if "additionalProperties" in schema:
        made["additionalProperties"] = _other(schema["additionalProperties"])
    items = schema.get("items")
    if isinstance(items, list):
        made["prefixItems"] = [translated(each) for each in items]
        if "additionalItems" in schema:
            made["items"] = _other(schema["additionalItems"])
    elif items is not None:
        made["items"] = translated(items)
    for name, needs in schema.get("dependencies", {}).items():
        keyword = "dependentRequired" if isinstance(needs, list) else "dependentSchemas"
        made.setdefault(keyword, {})[name] = needs if isinstance(needs, list) else translated(needs)
    return made


def _other(schema: Any) -> Any:
    return schema if isinstance(schema, bool) else translated(schema)

"""Schemas of the stored values that always look the same: closed objects, DBRefs, points and GeoJSON."""

from __future__ import annotations

from outbox.messages.dialects import Dialect, Schema


def closed(dialect: Dialect, properties: Schema, required: list[str]) -> Schema:
    """An object of these fields and no other."""
    schema = {**dialect.scalar("object"), "properties": properties, "additionalProperties": False}
    # The server takes no empty `required`.
    return {**schema, "required": required} if required else schema


def dbref(dialect: Dialect, identity: Schema) -> Schema:
    """A DBRef as it is stored; `cls` is what mongoengine adds for a reference to an abstract document."""
    text = dialect.scalar("string")
    return closed(dialect, {"$ref": text, "$id": identity, "$db": text, "cls": text}, required=["$ref", "$id"])


def point(dialect: Dialect) -> Schema:
    """Two numbers."""
    return {**dialect.scalar("array"), "items": dialect.scalar("number"), "minItems": 2, "maxItems": 2}


def geojson(dialect: Dialect, name: str, depth: int) -> Schema:
    """A GeoJSON object whose coordinates are points inside `depth` lists, none of them empty."""
    coordinates = point(dialect)
    for _ in range(depth):
        coordinates = {**dialect.scalar("array"), "items": coordinates, "minItems": 1}
    return closed(dialect, {"type": {"enum": [name]}, "coordinates": coordinates}, required=["type", "coordinates"])

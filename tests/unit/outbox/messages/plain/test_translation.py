"""The JSON Schema that people get of a `$jsonSchema`."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from bson import Decimal128, ObjectId

from outbox.messages.plain.translation import translated

DECIMAL = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?(E[+-]?[0-9]+)?$"}


@pytest.mark.parametrize(
    ("server", "people"),
    [
        ({"bsonType": "int", "minimum": 1}, {"type": "integer", "minimum": 1}),
        ({"bsonType": "double", "minimum": 1, "exclusiveMinimum": True}, {"type": "number", "exclusiveMinimum": 1}),
        ({"bsonType": ["int", "long"]}, {"type": "integer"}),
        ({"bsonType": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"bsonType": "decimal"}, DECIMAL),
        ({"bsonType": "number"}, {"anyOf": [{"type": "number"}, DECIMAL]}),
        ({"type": "boolean"}, {"type": "boolean"}),
        ({"bsonType": "date"}, {"type": "string", "format": "date-time"}),
        ({"bsonType": "objectId"}, {"type": "string", "pattern": "^[0-9a-f]{24}$"}),
        ({"enum": [ObjectId("65a000000000000000000001")]}, {"enum": ["65a000000000000000000001"]}),
        ({"enum": [Decimal128("1.0")]}, {"enum": ["1.0"]}),
        ({"multipleOf": Decimal128("0.5")}, {"multipleOf": 0.5}),
        (
            {"bsonType": "array", "items": [{"bsonType": "bool"}], "additionalItems": False},
            {"type": "array", "prefixItems": [{"type": "boolean"}], "items": False},
        ),
        (
            {"properties": {"a": {"not": {"bsonType": "null"}}}, "additionalProperties": {"bsonType": "string"}},
            {"properties": {"a": {"not": {"type": "null"}}}, "additionalProperties": {"type": "string"}},
        ),
        (
            {"dependencies": {"a": ["b"], "c": {"required": ["d"]}}},
            {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"required": ["d"]}}},
        ),
        (
            {"bsonType": ["int", "string"], "anyOf": [{"minimum": 1}]},
            {"anyOf": [{"minimum": 1}], "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}]},
        ),
    ],
)  # fmt: skip
def test_each_keyword_is_said_as_json_schema_says_it(server: Any, people: Any) -> None:
    assert translated(server) == people
    jsonschema.Draft202012Validator.check_schema(translated(server))

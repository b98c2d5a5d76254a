"""What MongoDB would refuse of a `$jsonSchema`, told with its path; the integration test asks the server the same."""

from __future__ import annotations

from typing import Any

import pytest

from outbox.messages.plain.keywords import findings


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"$ref": "#/x"}, "s: MongoDB's $jsonSchema has no keyword '$ref'"),
        ({"format": "date"}, "s: MongoDB's $jsonSchema has no keyword 'format'"),
        ({"properties": {"a": {"const": 1}}}, "s.properties.a: MongoDB's $jsonSchema has no keyword 'const'"),
        ({"bsonType": "integer"}, "s.bsonType: 'integer' is none of double, string"),
        ({"type": "integer"}, "s.type: 'integer' is none of object, array"),
        ({"type": "string", "bsonType": "string"}, "s: it has both bsonType and type"),
        ({"required": []}, "s.required: [] is not a list of names"),
        ({"exclusiveMinimum": 1}, "s.exclusiveMinimum: 1 is not true or false"),
        ({"exclusiveMinimum": True}, "s: exclusiveMinimum needs minimum beside it"),
        ({"multipleOf": 0}, "s.multipleOf: 0 is not a number above 0"),
        ({"minLength": -1}, "s.minLength: -1 is not a whole number from 0 on"),
        ({"enum": [1, 1.0]}, "s.enum: [1, 1.0] has a value twice"),
        ({"pattern": "("}, "s.pattern: '(' is no pattern"),
        ({"anyOf": []}, "s.anyOf: [] is not a list of schemas"),
        ({"items": [{"bsonType": []}]}, "s.items[0].bsonType: [] names no type"),
        ({"dependencies": {"a": []}}, "s.dependencies.a: [] is not a list of names"),
        ({"not": 1}, "s.not: 1 is no schema"),
    ],
)
def test_a_part_that_the_server_refuses_is_found(schema: Any, why: str) -> None:
    found = list(findings(schema, "s"))

    assert found
    assert found[0].startswith(why)


def test_a_schema_that_the_server_takes_has_no_findings() -> None:
    schema = {
        "title": "an order",
        "bsonType": "object",
        "required": ["a"],
        "properties": {"a": {"bsonType": ["int", "long"], "minimum": 0, "exclusiveMinimum": True}},
        "patternProperties": {"^x": {"bsonType": "string", "pattern": r"^a\z"}},
        "additionalProperties": False,
        "dependencies": {"a": ["b"]},
    }

    assert list(findings(schema, "s")) == []

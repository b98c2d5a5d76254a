"""Why a value is refused; that it is at all, the integration test compares with the server."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Decimal128

from outbox.messages.plain.evaluation import Open, finding


@pytest.mark.parametrize(
    ("schema", "value", "why"),
    [
        ({"bsonType": "string"}, 1, "the data: a int, not string"),
        ({"properties": {"a": {"bsonType": ["int", "long"]}}}, {"a": 1.5}, "a: a double, not int or long"),
        ({"items": {"minimum": 1}}, [1, 0], "[1]: beyond its minimum 1"),
        ({"properties": {"a": {"items": {"required": ["b"]}}}}, {"a": [{}]}, "a[0].b: is missing"),
        ({"additionalProperties": False}, {"a": 1}, "a: is no field of the schema"),
        ({"maxLength": 1}, "é😀", "the data: 2 characters, more than 1"),
        ({"multipleOf": Decimal128("0.05")}, Decimal128("0.11"), "the data: no multiple of 0.05"),
        ({"pattern": "^a$"}, "b", "the data: no match of '^a$'"),
        ({"anyOf": [{"bsonType": "int"}, {"bsonType": "bool"}]}, "a", "the data: fits none of 2 alternatives"),
        ({"oneOf": [{"minimum": 0}, {"minimum": 1}]}, 2, "the data: fits several alternatives, not one"),
        ({"not": {"bsonType": "int"}}, 1, "the data: is what it must not be"),
        ({"dependencies": {"a": ["b"]}}, {"a": 1}, "b: is missing"),
        ({"uniqueItems": True}, [1, 1.0], "the data: an item twice"),
    ],
)
def test_it_is_said_where_and_why(schema: Any, value: Any, why: str) -> None:
    found = finding(schema, value)

    assert isinstance(found, str)
    assert found.startswith(why)


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": r"^\d$"},
        {"not": {"pattern": r"^\d$"}},
        {"anyOf": [{"bsonType": "int"}, {"pattern": r"^\d$"}]},
        {"oneOf": [{"bsonType": "int"}, {"pattern": r"^\d$"}]},
    ],
)
def test_a_pattern_that_python_reads_differently_is_left_to_the_server(schema: Any) -> None:
    assert finding(schema, "x") is Open.OPEN


def test_what_is_refused_for_another_reason_is_not_left_to_it() -> None:
    assert isinstance(finding({"pattern": r"^\d$", "maxLength": 0}, "x"), str)
    assert finding({"anyOf": [{"bsonType": "string"}, {"pattern": r"^\d$"}]}, "x") is None
    patterned = {"patternProperties": {r"^\d$": {"bsonType": "int"}}, "additionalProperties": False}
    assert finding(patterned, {"a": 1}) is Open.OPEN

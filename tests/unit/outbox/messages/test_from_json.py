"""Data in JSON becomes the BSON that made that JSON."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId

from outbox import message_type
from outbox.messages.from_json import from_json
from outbox.messages.json_value import json_value
from outbox.messages.message_types import MessageTypes
from outbox.messages.plain.evaluation import finding

FIELDS: dict[str, Any] = {
    "text": {"bsonType": "string"},
    "int": {"bsonType": ["int", "long"]},
    "long": {"bsonType": "long"},
    "double": {"bsonType": "double"},
    "decimal": {"bsonType": "decimal"},
    "date": {"bsonType": ["date", "null"]},
    "id": {"bsonType": "objectId"},
    "uuid": {"bsonType": "binData"},
    "bytes": {"bsonType": "binData"},
    "list": {"bsonType": "array", "items": {"bsonType": "date"}},
    "any": {"anyOf": [{"bsonType": "objectId"}, {"bsonType": "string"}]},
    "choice": {"enum": [Decimal128("1.5"), "a"]},
    "map": {"bsonType": "object", "additionalProperties": {"bsonType": "decimal"}},
}
SCHEMA = {"bsonType": "object", "properties": FIELDS, "additionalProperties": False}
DATE = datetime(2025, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "text": "2025-01-01T00:00:00Z", "int": 1, "long": Int64(5), "double": 2.0, "decimal": Decimal128("1.50"),
    "date": DATE, "id": ObjectId(), "uuid": uuid.uuid4(), "bytes": b"\x00\xff", "list": [DATE], "any": ObjectId(),
    "choice": Decimal128("1.5"), "map": {"a": Decimal128("2")},
}  # fmt: skip


@pytest.mark.parametrize("field", VALUES)
def test_each_kind_of_value_comes_back_as_it_was(field: str) -> None:
    there = json.loads(json_value({field: VALUES[field]}))
    back = from_json(SCHEMA, there)

    assert back == {field: VALUES[field]}
    assert type(back[field]) is type(VALUES[field])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("date", "yesterday"), ("date", "2025-01-01"), ("date", "2025-01-01T00:00:00"), ("id", "xyz"),
        ("date", "2025-01-01T00:00:00.1234567Z"), ("decimal", "much"), ("decimal", 1.5), ("bytes", "***"),
        ("double", "1"), ("int", 1.5), ("int", True), ("long", 2**70), ("list", ["no"]), ("choice", "b"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_left_to_be_refused(field: str, value: Any) -> None:
    read = from_json(SCHEMA, {field: value})

    assert read == {field: value}
    assert isinstance(finding(SCHEMA, read), str)


def test_it_reads_what_a_message_class_makes() -> None:
    cls = message_type("all", schema=SCHEMA)
    _, _, encoded = MessageTypes([cls]).encode(cls(VALUES))
    there = json.loads(json_value(dict(VALUES)))

    assert cls(from_json(SCHEMA, there)) == VALUES
    assert encoded is not None

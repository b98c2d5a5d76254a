"""Plain dicts as messages."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128

from outbox import InvalidMessage, InvalidMessageClass, PlainMessage, UnknownMessage, message, message_type, tombstone
from outbox.messages.message_types import MessageTypes
from outbox.testing import MemoryOutbox

SCHEMA = {
    "required": ["order_id", "total"],
    "properties": {
        "order_id": {"bsonType": "string", "maxLength": 3},
        "total": {"bsonType": "decimal", "minimum": Decimal128("0")},
        "at": {"bsonType": "date"},
    },
    "additionalProperties": False,
}
OrderPlaced = message_type("order.placed", key="order_id", schema=SCHEMA)


def placed(**values: Any) -> PlainMessage:
    return OrderPlaced({"order_id": "42", "total": Decimal128("9.90"), **values})


def test_a_dict_is_put_and_read_back_as_a_message_of_its_type() -> None:
    memory = MemoryOutbox(messages=[OrderPlaced])
    one = placed(at=datetime(2024, 5, 6, tzinfo=UTC))

    memory.put([one, placed()], standalone=True)

    first = memory.records[0]
    assert (first.type, first.key, first.message) == ("order.placed", "42", one)
    assert type(first.message) is OrderPlaced
    assert first.message["total"] == Decimal128("9.90")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"total": 9.9}, "total: a double, not decimal"),
        ({"total": Decimal128("-1")}, "total: beyond its minimum 0"),
        ({"order_id": "four"}, "order_id: 4 characters, more than 3"),
        ({"other": 1}, "other: is no field of the schema"),
        ({"total": Decimal("9.90")}, "InvalidDocument"),
        ({"total": Decimal128("NaN")}, "total: beyond its minimum"),
    ],
)
def test_data_that_does_not_fit_is_refused_before_it_is_written(values: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidMessage, match=f"^order.placed: {why}"):
        MemoryOutbox(messages=[OrderPlaced]).put(placed(**values), standalone=True)


def test_a_missing_key_is_told_by_the_schema_or_by_the_outbox() -> None:
    free = message_type("free", key="k", schema={"properties": {"k": {"bsonType": ["string", "binData"]}}})
    memory = MemoryOutbox(messages=[OrderPlaced, free])

    with pytest.raises(InvalidMessage, match="order_id: is missing"):
        memory.put(OrderPlaced({}), standalone=True)
    with pytest.raises(InvalidMessage, match="the key 'k' has no value"):
        memory.put(free({}), standalone=True)
    with pytest.raises(InvalidMessage, match="the key 'k' is a bytes; give text"):
        memory.put(free({"k": b"x"}), standalone=True)
    memory.put(free(k=uuid.UUID(int=1)), standalone=True)
    assert memory.records[0].key == str(uuid.UUID(int=1))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"type": "a b", "schema": {}}, "is not a type name"),
        ({"schema": 1}, "give a .jsonSchema as a dict"),
        ({"schema": {"bsonType": "array"}}, "a message's data is a document"),
        ({"schema": {"format": "x"}}, "t: MongoDB's .jsonSchema has no keyword 'format'"),
        ({"schema": SCHEMA, "key": "missing"}, "t has no field 'missing' in its properties to be its key"),
        ({"schema": SCHEMA, "key": "total"}, r"t\.total: a key is a string, int, long, objectId or binData"),
        ({"schema": {"properties": {"a": {}}}, "key": "a"}, r"t\.a: a key is a string"),
        ({"schema": {"properties": {"a": {"bsonType": "int"}}}, "compact": True}, "t has no key to be compacted by"),
        ({"schema": {"enum": [Decimal(1)]}}, "BSON refuses a part of its schema"),
    ],
)
def test_what_could_not_be_enforced_is_refused_at_once(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidMessageClass, match=why):
        message_type(**{"type": "t", **arguments})


def test_the_schema_is_the_server_s_and_kept_from_later_changes() -> None:
    schema: dict[str, Any] = {"properties": {"a": {"bsonType": "int"}}}
    cls = message_type("changed", schema=schema)

    schema["properties"]["a"]["bsonType"] = "string"

    assert MessageTypes([cls]).schemas() == {
        "changed": {"bsonType": "object", "properties": {"a": {"bsonType": "int"}}}
    }
    assert MessageTypes([OrderPlaced]).json_schemas()["order.placed"]["properties"]["order_id"] == {
        "type": "string", "maxLength": 3
    }  # fmt: skip


def test_a_type_may_be_compacted_and_has_tombstones() -> None:
    price = message_type("price", key="sku", compact=True, schema={"properties": {"sku": {"bsonType": "int"}}})
    memory = MemoryOutbox(messages=[price])

    memory.put([price(sku=1), tombstone(price, key=1)], standalone=True)

    assert [(record.key, record.message) for record in memory.records] == [("1", {"sku": 1}), ("1", None)]
    for value in ("1", True, 1.5):
        with pytest.raises(InvalidMessage, match="^price: sku: "):
            tombstone(price, key=value)


def test_a_plain_dict_and_another_type_are_no_messages_of_this_outbox() -> None:
    memory = MemoryOutbox(messages=[OrderPlaced])

    with pytest.raises(UnknownMessage):
        memory.put({"order_id": "1"}, standalone=True)  # type: ignore[call-overload]  # what a user may try
    with pytest.raises(UnknownMessage):
        memory.put(message_type("other", schema={})({}), standalone=True)
    with pytest.raises(InvalidMessageClass, match="cannot be a message"):
        message("again")(dict)

"""BSON's values as Avro, read back by fastavro."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pytest
from bson import Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS

from outbox.messages.json_value import Unencodable
from relay.encoding.avro import AvroSchema

ID = ObjectId("65a000000000000000000001")
AT = datetime(2025, 1, 2, 3, 4, 5, 678000, UTC)
UNIQUE = UUID("d9428888-122b-11e1-b85c-61cd3cbb3210")
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
INNER = {"type": "record", "name": "Inner", "fields": [{"name": "n", "type": "int"}]}


def schema(*types: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": f"f{at}", "type": of} for at, of in enumerate(types)]}


def back(asked: dict[str, Any], data: dict[str, Any]) -> Any:
    written = AvroSchema(json.dumps(asked)).value(data)
    return fastavro.schemaless_reader(io.BytesIO(written), fastavro.parse_schema(asked), None)


@pytest.mark.parametrize(
    ("type", "value", "read"),
    [
        ("string", "x", "x"), ("string", ID, str(ID)), ("string", Decimal128("9.90"), "9.90"),
        ("string", AT, "2025-01-02T03:04:05.678Z"),
        ("string", UNIQUE, str(UNIQUE)), ({"type": "string", "logicalType": "uuid"}, UNIQUE, UNIQUE),
        ("long", Int64(2**40), 2**40), ("long", AT, 1735787045678), (MILLIS, AT, AT), ("int", 7, 7),
        ("double", 1.5, 1.5),
        (DECIMAL, Decimal128("9.90"), Decimal("9.90")), ("bytes", b"ab", b"ab"), ("boolean", True, True),
        ({"type": "fixed", "name": "Id", "size": 12}, ID, ID.binary),
        ({"type": "array", "items": "string"}, ["a", ID], ["a", str(ID)]),
        ({"type": "map", "values": MILLIS}, {"a": AT}, {"a": AT}),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
        (INNER, {"n": 1}, {"n": 1}),
        (["null", "string"], None, None), (["null", "string"], ID, str(ID)), (["null", MILLIS], AT, AT),
        (["null", DECIMAL], Decimal128("1.25"), Decimal("1.25")), (["string", INNER], {"n": 1}, {"n": 1}),
        (["int", "long"], 2**40, 2**40), (["null", "double"], 0.5, 0.5),
    ],
)  # fmt: skip
def test_a_value_is_written_as_its_schema_asks(type: Any, value: Any, read: Any) -> None:
    assert back(schema(type), {"f0": value}) == {"f0": read}


def test_a_named_type_is_known_where_it_comes_again() -> None:
    asked = schema(INNER, "Inner", ["null", "Inner"], {"type": "array", "items": "Inner"})
    data = {"f0": {"n": 1}, "f1": {"n": 2}, "f2": {"n": 3}, "f3": [{"n": 4}]}

    assert back(asked, data) == data


def test_a_field_that_is_missing_has_its_default() -> None:
    asked = schema("string")
    asked["fields"].append({"name": "more", "type": ["null", "int"], "default": None})

    assert back(asked, {"f0": "a"}) == {"f0": "a", "more": None}


@pytest.mark.parametrize(
    ("type", "value", "says"),
    [
        (INNER, {"n": 1, "x": 2}, "data.f0.x is not in its Avro schema, and would be lost"),
        ({"type": "array", "items": INNER}, [{"n": 1}, {"y": 2}], "data.f0[1].y is not in its"),
        ("int", 2**40, "does not take it"),
        ("string", 7, "does not take it"),
        (["null", "string"], 7, "does not take it"),
        (DECIMAL, Decimal128("1.234"), "does not take it"),
        (DECIMAL, Decimal128("NaN"), "does not take it"),
        (MILLIS, "today", "does not take it"),
        ({"type": "fixed", "name": "Id", "size": 16}, ID, "does not take it"),
    ],
)
def test_what_does_not_fit_is_refused_and_never_bent(type: Any, value: Any, says: str) -> None:
    with pytest.raises(Unencodable) as refused:
        back(schema(type), {"f0": value})
    assert says in str(refused.value)


def test_a_date_that_python_has_not_is_written_all_the_same() -> None:
    written = AvroSchema(json.dumps(schema(MILLIS))).value({"f0": DatetimeMS(10**15)})

    assert written == AvroSchema(json.dumps(schema("long"))).value({"f0": 10**15})


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(Unencodable, match="is no Avro schema"):
        AvroSchema('{"type": "recordd"}')

"""BSON's simple values as Avro."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from bson import Code, Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS

from outbox.messages.json_value import Unencodable
from tests.doubles.avro import MILLIS, back, schema

ID = ObjectId("65a000000000000000000001")
AT = datetime(2025, 1, 2, 3, 4, 5, 678000, UTC)
UNIQUE = UUID("d9428888-122b-11e1-b85c-61cd3cbb3210")
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-millis"}
DATE = {"type": "int", "logicalType": "date"}
SIGNALLING = Decimal128.from_bid((0x7E00 << 112).to_bytes(16, "little"))


@pytest.mark.parametrize(
    ("type", "value", "read"),
    [
        ("string", "x", "x"), ({"type": "string"}, "x", "x"), ("string", ID, str(ID)),
        ("string", Decimal128("9.90"), "9.90"), ("string", AT, "2025-01-02T03:04:05.678Z"),
        ("string", UNIQUE, str(UNIQUE)), ({"type": "string", "logicalType": "uuid"}, UNIQUE, UNIQUE),
        ("long", Int64(2**40), 2**40), ("long", AT, 1735787045678), (MILLIS, AT, AT), (MICROS, AT, AT), ("int", 7, 7),
        (DATE, datetime(2025, 1, 2, tzinfo=UTC), date(2025, 1, 2)),
        ("double", 1.5, 1.5), ("double", 7, 7.0), ("float", 0.5, 0.5), ("boolean", True, True), ("null", None, None),
        (DECIMAL, Decimal128("9.90"), Decimal("9.90")), (DECIMAL, Decimal128("0E+9"), Decimal("0.00")),
        ("bytes", b"ab", b"ab"), ({"type": "fixed", "name": "Id", "size": 12}, ID, ID.binary),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
    ],
)  # fmt: skip
def test_a_value_is_written_as_its_schema_asks(type: Any, value: Any, read: Any) -> None:
    assert back(schema(type), {"f0": value}) == {"f0": read}


@pytest.mark.parametrize(
    ("type", "value", "says"),
    [
        ("null", 7, "the schema has null"),
        ("int", 2**40, "is beyond the 32 bits"),
        ("int", True, "the schema has an int"),
        ("boolean", 1, "the schema has a boolean"),
        ("string", 7, "data.f0 is of the type int, and the schema has a string"),
        ("string", Code("f()"), "the schema has a string"),
        ("bytes", "x", "the schema has bytes"),
        ("bytes", Decimal128("1"), "the schema has bytes"),
        (DECIMAL, Decimal128("1.234"), "has more than the 2 decimal place(s)"),
        (DECIMAL, Decimal128("1234567.8"), "has more than the 8 digits"),
        (DECIMAL, Decimal128("1E+6"), "has more than the 8 digits"),
        (DECIMAL, Decimal128("NaN"), "is not finite"),
        (DECIMAL, SIGNALLING, "is not finite"),
        (MILLIS, "today", "the schema has a long for timestamp-millis"),
        (MICROS, DatetimeMS(2**62), "is a date beyond what a long for timestamp-micros holds"),
        (LOCAL, AT, "the schema has a long for local-timestamp"),
        (DATE, AT, "has a time, which the schema's date would lose"),
        ("double", "7", "the schema has a double"),
        ("double", Int64(2**60 + 1), "that a double would round"),
        ("float", 0.1, "that a float of 32 bits would round"),
        ("float", 1e300, "that a float of 32 bits would round"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "B", "is none of the schema's symbols"),
        ({"type": "fixed", "name": "Id", "size": 16}, ID, "has 12 bytes, and the schema 16"),
    ],
)
def test_what_does_not_fit_is_refused_and_never_bent(type: Any, value: Any, says: str) -> None:
    with pytest.raises(Unencodable) as refused:
        back(schema(type), {"f0": value})
    assert says in str(refused.value)


def test_a_date_that_python_has_not_is_written_all_the_same() -> None:
    assert back(schema(MILLIS, "long"), {"f0": AT, "f1": DatetimeMS(10**15)})["f1"] == 10**15

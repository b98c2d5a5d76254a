"""The JSON value of a Kafka record."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import bson
import orjson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.messages.json_value import Unencodable, json_value
from outbox.mongo.codec import DECODED

ID = ObjectId("65a000000000000000000001")


def through_bson(data: dict[str, Any]) -> dict[str, Any]:
    """As the relay gets it: written by a driver and decoded as the log is."""
    return bson.decode(bson.encode(data, codec_options=DECODED), codec_options=DECODED)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Zoë", '"Zoë"'),
        (True, "true"),
        (None, "null"),
        (1.5, "1.5"),
        (2**31, "2147483648"),
        (Int64(2**63 - 1), "9223372036854775807"),
        (Int64(-(2**63)), "-9223372036854775808"),
        (ID, '"65a000000000000000000001"'),
        (Decimal128("9.90"), '"9.90"'),
        (datetime(2025, 1, 2, 3, 4, 5, 678000, UTC), '"2025-01-02T03:04:05.678Z"'),
        (datetime(2025, 1, 2, tzinfo=UTC), '"2025-01-02T00:00:00.000Z"'),
        (b"\x00\xff", '"AP8="'),
        (Binary(b"\x00\xff", 128), '"AP8="'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ([1, [2, {"a": None}]], '[1,[2,{"a":null}]]'),
        (DBRef("orders", ID), '{"$ref":"orders","$id":"65a000000000000000000001"}'),
    ],
)
def test_each_bson_type_is_written_as_the_contract_says(value: object, text: str) -> None:
    assert json_value(through_bson({"a": value})).decode() == f'{{"a":{text}}}'


def test_field_order_is_kept() -> None:
    assert json_value(through_bson({"b": 1, "a": 2, "c": 3})) == b'{"b":1,"a":2,"c":3}'


NOT_FINITE = [
    float("nan"), float("inf"), float("-inf"),
    *(Decimal128(text) for text in ("NaN", "-NaN", "sNaN", "Infinity", "-Infinity")),
]  # fmt: skip


@pytest.mark.parametrize("value", NOT_FINITE)
def test_nan_and_infinities_are_refused_by_path(value: float) -> None:
    with pytest.raises(Unencodable, match=re.escape(f"data.lines[1].price is {value}")):
        json_value(through_bson({"none": None, "lines": [{"price": 1.0}, {"price": value}]}))


@pytest.mark.parametrize("value", [*NOT_FINITE, MinKey()])
@pytest.mark.parametrize(
    ("within", "path"),
    [
        (lambda value: DBRef("a", value), ".$id"),
        (lambda value: DBRef("a", {"deep": [None, value]}), ".$id.deep[1]"),
        (lambda value: DBRef("a", 1, "db", extra=value), ".extra"),
        (lambda value: DBRef("a", DBRef("b", 1, more={"x": value})), ".$id.more.x"),
        (lambda value: [None, {"b": DBRef("a", value)}], "[1].b.$id"),
        (lambda value: {"null": [None, [value]]}, ".null[1][0]"),
    ],
)
def test_what_json_does_not_have_is_found_in_a_reference_as_anywhere(
    within: Callable[[object], object], path: str, value: object
) -> None:
    """A NaN in one went out as null, which is another value."""
    with pytest.raises(Unencodable, match=re.escape(f"data.a{path} is ")):
        json_value(through_bson({"a": within(value)}))


def test_data_that_is_a_reference_itself_is_looked_through() -> None:
    with pytest.raises(Unencodable, match=re.escape("data.$id is nan")):
        json_value(through_bson({"data": DBRef("a", float("nan"))})["data"])


@given(st.binary(min_size=16, max_size=16).map(Decimal128.from_bid))
def test_a_decimal_is_encoded_when_it_is_a_number_and_only_then(value: Decimal128) -> None:
    if str(value) in ("NaN", "Infinity", "-Infinity"):
        with pytest.raises(Unencodable, match=f"data.a is {value}, which JSON does not have"):
            json_value({"a": value})
    else:
        assert json_value({"a": value}) == f'{{"a":"{value}"}}'.encode()


@pytest.mark.parametrize(
    ("value", "name"),
    [(Regex("a"), "Regex"), (Timestamp(1, 1), "Timestamp"), (Code("f()"), "Code"), (MaxKey(), "MaxKey")],
)
def test_types_that_json_does_not_have_are_refused_by_path(value: object, name: str) -> None:
    with pytest.raises(Unencodable, match=rf"data\.a\[0\] is a BSON {name}"):
        json_value(through_bson({"a": [value]}))


def test_the_deepest_document_that_bson_allows_is_encoded() -> None:
    data: dict[str, Any] = {}
    for _ in range(178):
        data = {"a": data}

    assert json_value(through_bson(data)).count(b"{") == 179


def test_a_date_that_python_cannot_hold_is_written_as_javascript_does() -> None:
    assert json_value({"a": DatetimeMS(253402300800000)}) == b'{"a":"+010000-01-01T00:00:00.000Z"}'


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=10,
)


@settings(max_examples=50)
@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_whatever_is_encoded_is_the_same_data(data: dict[str, Any]) -> None:
    try:
        encoded = json_value(through_bson(data))
    except Unencodable:
        assert re.search("nan|inf", repr(data))
    else:
        assert orjson.loads(encoded) == data

"""The same structure in MongoDB's words and in JSON Schema's, which differ at the leaves alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from jsonschema import Draft202012Validator

from outbox.messages.dialects import BSON, JSON, Dialect, Schema, closed, dbref, geojson, point

BOTH = pytest.mark.parametrize("dialect", [BSON, JSON], ids=["bson", "json"])
ID = ObjectId("65a000000000000000000001")
UUID_ = UUID("00112233-4455-6677-8899-aabbccddeeff")


def accepts(schema: Schema, value: Any) -> bool:
    return Draft202012Validator(schema).is_valid(value)


def test_both_know_the_same_kinds_of_leaves() -> None:
    assert BSON.scalars.keys() == JSON.scalars.keys()


@BOTH
def test_a_leaf_that_somebody_has_changed_is_no_other_s(dialect: Dialect) -> None:
    dialect.scalar("string")["maxLength"] = 1

    assert "maxLength" not in dialect.scalar("string")


@pytest.mark.parametrize("kind", [kind for kind in JSON.scalars if kind != "array"])
def test_a_leaf_in_json_takes_what_a_value_of_its_kind_becomes(kind: str) -> None:
    values: dict[str, Any] = {
        "any": "x", "string": "x", "int": Int64(5), "number": 1.5, "decimal": Decimal128("-1.5E+7"), "bool": True,
        "date": datetime(2025, 1, 1, tzinfo=UTC), "objectId": ID, "uuid": UUID_, "binary": b"\x00\xff", "object": {},
    }  # fmt: skip

    assert accepts(JSON.scalar(kind), JSON.value(values[kind]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ID, "65a000000000000000000001"),
        (UUID_, "00112233-4455-6677-8899-aabbccddeeff"),
        (Decimal128("1.50"), "1.50"),
        (Decimal("1.50"), "1.50"),
        (b"\x00\xff", "AP8="),
        (Binary(b"\x00\xff", 0), "AP8="),
        (Int64(7), 7),
        (True, True),
        (None, None),
        (1.5, 1.5),
        ("é", "é"),
        ([ID, [b"a"]], [str(ID), ["YQ=="]]),
        ((ID,), [str(ID)]),
        ({"a": {"b": ID}}, {"a": {"b": str(ID)}}),
    ],
    ids=repr,
)
def test_a_choice_stands_in_json_as_readers_of_the_topic_see_it(value: Any, text: Any) -> None:
    found = JSON.value(value)

    assert (found, type(found)) == (text, type(text))


def test_a_choice_without_a_zone_is_utc() -> None:
    assert JSON.value(datetime(2025, 1, 2, 3, 4, 5, 678_000)) == "2025-01-02T03:04:05.678Z"  # noqa: DTZ001  # so it is


def test_a_choice_of_another_zone_is_written_in_utc() -> None:
    assert JSON.value(datetime(2025, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))) == "2024-12-31T23:30:00.000Z"


@pytest.mark.parametrize("value", [ID, UUID_, Decimal128("1.50"), b"\x00", datetime(2025, 1, 1, tzinfo=UTC), [ID]])
def test_a_choice_stands_in_bson_as_it_is(value: Any) -> None:
    assert BSON.value(value) is value


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "1E+6144", "1.0E-6176", "-12.5E7"])
def test_a_decimal_in_json_is_text_of_a_number(number: str) -> None:
    assert re.search(JSON.scalar("decimal")["pattern"], number)


@pytest.mark.parametrize("number", ["", "NaN", "Infinity", "1.", ".5", "1e5", "+1", "1 "])
def test_a_decimal_in_json_is_no_other_text(number: str) -> None:
    assert not re.search(JSON.scalar("decimal")["pattern"], number)


@BOTH
@pytest.mark.parametrize("kind", ["string", "int", "number", "object"])
def test_null_is_added_to_the_types_of_a_leaf(dialect: Dialect, kind: str) -> None:
    types = dialect.scalar(kind)[dialect.keyword]

    wider = dialect.nullable(dialect.scalar(kind))

    assert wider[dialect.keyword] == [*([types] if isinstance(types, str) else types), "null"]


@BOTH
def test_null_is_added_to_the_choices(dialect: Dialect) -> None:
    wider = dialect.nullable({**dialect.scalar("string"), "enum": ["a"]})

    assert wider == {dialect.keyword: ["string", "null"], "enum": ["a", None]}


@BOTH
def test_null_is_added_to_the_alternatives(dialect: Dialect) -> None:
    wider = dialect.nullable({"anyOf": [dialect.scalar("int"), dialect.scalar("string")]})

    assert wider["anyOf"] == [dialect.scalar("int"), dialect.scalar("string"), {dialect.keyword: "null"}]


@BOTH
def test_anything_with_null_is_anything(dialect: Dialect) -> None:
    assert dialect.nullable(dialect.scalar("any")) == {}


@BOTH
def test_what_is_made_to_take_null_is_not_touched(dialect: Dialect) -> None:
    schema: Schema = {**dialect.scalar("int"), "enum": [1], "anyOf": [{}]}

    dialect.nullable(schema)

    assert schema == {**dialect.scalar("int"), "enum": [1], "anyOf": [{}]}


def test_a_closed_object_takes_its_fields_and_no_other() -> None:
    schema = closed(JSON, {"a": JSON.scalar("int"), "b": JSON.scalar("int")}, required=["a"])

    taken = [accepts(schema, value) for value in ({"a": 1}, {"a": 1, "b": 2}, {"b": 2}, {"a": 1, "c": 3}, [])]

    assert taken == [True, True, False, False, False]


@BOTH
def test_an_object_that_requires_nothing_has_no_list_of_it_for_the_server_takes_no_empty_one(dialect: Dialect) -> None:
    assert "required" not in closed(dialect, {}, required=[])


def test_a_dbref_needs_a_collection_and_an_id_of_the_target_s_kind() -> None:
    schema = dbref(JSON, JSON.scalar("int"))
    whole = {"$ref": "users", "$id": 7}

    assert accepts(schema, whole)
    assert accepts(schema, {**whole, "$db": "shop", "cls": "User"})
    for wrong in ({"$ref": "users"}, {"$id": 7}, {**whole, "$id": "7"}, {**whole, "more": 1}):
        assert not accepts(schema, wrong)


@pytest.mark.parametrize(("value", "taken"), [([1, 2.5], True), ([1], False), ([1, 2, 3], False), (["1", "2"], False)])
def test_a_point_is_two_numbers(value: Any, taken: bool) -> None:
    assert accepts(point(JSON), value) is taken


@pytest.mark.parametrize(
    ("name", "depth", "coordinates"),
    [("Point", 0, [1, 2]), ("LineString", 1, [[1, 2], [3, 4]]), ("Polygon", 2, [[[1, 2]]]), ("X", 3, [[[[1, 2]]]])],
)
def test_geojson_has_points_in_as_many_lists_as_it_is_deep(name: str, depth: int, coordinates: Any) -> None:
    schema = geojson(JSON, name, depth)

    assert accepts(schema, {"type": name, "coordinates": coordinates})
    assert not accepts(schema, {"type": name, "coordinates": [coordinates]})
    assert not accepts(schema, {"type": "Other", "coordinates": coordinates})
    assert not accepts(schema, {"type": name})


@pytest.mark.parametrize(("depth", "empty"), [(1, []), (2, []), (2, [[]])])
def test_no_list_of_a_geojson_s_points_is_empty(depth: int, empty: Any) -> None:
    assert not accepts(geojson(JSON, "Polygon", depth), {"type": "Polygon", "coordinates": empty})


def test_only_mongodb_can_bound_a_decimal_for_in_json_it_is_text() -> None:
    assert BSON.bounded - JSON.bounded == {"decimal"}

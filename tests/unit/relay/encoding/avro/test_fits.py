"""Documents, arrays and unions as Avro."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import DBRef, ObjectId

from outbox.messages.json_value import Unencodable
from tests.doubles.avro import INNER, MILLIS, back, schema

ID = ObjectId("65a000000000000000000001")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OTHER = {"type": "record", "name": "Other", "fields": [{"name": "m", "type": "string"}]}
REFERENCE = {"type": "map", "values": "string"}


@pytest.mark.parametrize(
    ("type", "value", "read"),
    [
        ({"type": "array", "items": "string"}, ["a", ID], ["a", str(ID)]),
        ({"type": "map", "values": MILLIS}, {"a": EPOCH}, {"a": EPOCH}),
        (INNER, {"n": 1}, {"n": 1}), (REFERENCE, DBRef("orders", "7"), {"$ref": "orders", "$id": "7"}),
        (["null", "string"], None, None), (["null", "string"], ID, str(ID)), (["string", INNER], {"n": 1}, {"n": 1}),
        ([INNER, OTHER], {"m": "x"}, {"m": "x"}), (["int", "long"], 2**40, 2**40), (["float", "double"], 0.1, 0.1),
    ],
)  # fmt: skip
def test_what_has_others_in_it_is_written_as_its_schema_asks(type: Any, value: Any, read: Any) -> None:
    assert back(schema(type), {"f0": value}) == {"f0": read}


def test_the_branch_that_a_value_was_fitted_to_is_written_though_another_would_take_what_it_became() -> None:
    assert back(schema(["int", MILLIS]), {"f0": EPOCH}) == {"f0": EPOCH}


def test_a_named_type_is_known_where_it_comes_again() -> None:
    asked = schema(INNER, "Inner", ["null", "Inner"], {"type": "array", "items": "Inner"})
    data = {"f0": {"n": 1}, "f1": {"n": 2}, "f2": {"n": 3}, "f3": [{"n": 4}]}

    assert back(asked, data) == data


def test_a_record_may_be_inside_of_itself() -> None:
    fields = [{"name": "n", "type": "int"}, {"name": "of", "type": {"type": "array", "items": "Tree"}}]
    data = {"n": 1, "of": [{"n": 2, "of": []}, {"n": 3, "of": [{"n": 4, "of": []}]}]}

    assert back({"type": "record", "name": "Tree", "fields": fields}, data) == data


@pytest.mark.parametrize(
    ("type", "value", "says"),
    [
        (INNER, {"n": 1, "x": 2}, "data.f0.x is not in the schema, and would be lost"),
        (INNER, {}, "data.f0.n is missing, and has no default"),
        (INNER, [1], "data.f0 is of the type list, and the schema has a record or a map"),
        ({"type": "array", "items": INNER}, [{"n": 1}, {"y": 2}], "data.f0[1].y is not in the schema"),
        ({"type": "array", "items": "int"}, {"0": 1}, "the schema has an array"),
        ({"type": "map", "values": "int"}, {"a": 1, "b": "x"}, "data.f0.b is of the type str"),
        (["null", "string"], 7, "data.f0 is of the type int, and the schema has a string"),
        (["null", "string", "int"], 1.5, "data.f0 is of the type float, which fits none of its 3 types"),
        ([INNER, OTHER], {"n": 1, "m": "x"}, "which fits none of its 2 types"),
    ],
)
def test_what_does_not_fit_is_refused_and_never_bent(type: Any, value: Any, says: str) -> None:
    with pytest.raises(Unencodable) as refused:
        back(schema(type), {"f0": value})
    assert says in str(refused.value)

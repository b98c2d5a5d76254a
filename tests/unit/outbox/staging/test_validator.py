"""Which of two schemas of a type wins when several deploys run create()."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bson import Decimal128
from mongoengine import EmbeddedDocument, fields

from outbox.errors import IncompatibleOutbox
from outbox.messages.documents.fields import bson_schema
from outbox.messages.versions import TypeVersion
from outbox.staging.validator import max_message_bytes_of, merge, schemas_of, staging_validator
from tests.integration.outbox.messages.field_cases import ParityCircle, ParityShape


def of(**attributes: Any) -> dict[str, Any]:
    return bson_schema(type(EmbeddedDocument)("Merged", (EmbeddedDocument,), attributes))


def of_type(name: str, version: int = 1) -> TypeVersion:
    return TypeVersion(name, version)


def one(schema: dict[str, Any]) -> dict[TypeVersion, dict[str, Any]]:
    return {FIRST: schema}


F = fields
FIRST, SECOND = of_type("order.placed"), of_type("order.placed", 2)
OLD, NEW = of_type("old"), of_type("new")
WIDER = [
    ("an optional field more", {}, {"a": F.IntField()}),
    ("no longer required", {"a": F.IntField(required=True)}, {"a": F.IntField()}),
    ("one choice more", {"a": F.StringField(choices=["x"])}, {"a": F.StringField(choices=["y", "x"])}),
    ("choices dropped", {"a": F.StringField(choices=["x"])}, {"a": F.StringField()}),
    ("a lower minimum", {"a": F.IntField(min_value=1)}, {"a": F.IntField(min_value=0)}),
    ("a higher maximum", {"a": F.FloatField(max_value=1)}, {"a": F.FloatField(max_value=1.5)}),
    (
        "a lower decimal minimum",
        {"a": F.Decimal128Field(min_value="10")},
        {"a": F.Decimal128Field(min_value="9")},
    ),
    ("longer texts", {"a": F.StringField(max_length=1)}, {"a": F.StringField(max_length=2)}),
    ("shorter texts", {"a": F.StringField(min_length=2)}, {"a": F.StringField(min_length=1)}),
    ("a pattern dropped", {"a": F.StringField(regex="x")}, {"a": F.StringField()}),
    ("null as well", {"a": F.IntField()}, {"a": F.IntField(null=True)}),
    ("a number for an int", {"a": F.IntField()}, {"a": F.FloatField()}),
    ("longer lists", {"a": F.ListField(max_length=1)}, {"a": F.ListField(max_length=2)}),
    ("lists of anything", {"a": F.ListField(F.IntField())}, {"a": F.ListField()}),
    ("wider items", {"a": F.ListField(F.IntField(min_value=1))}, {"a": F.ListField(F.IntField())}),
    ("wider map values", {"a": F.MapField(F.IntField(min_value=1))}, {"a": F.MapField(F.IntField())}),
    (
        "another class",
        {"a": F.EmbeddedDocumentField(ParityShape, choices=[ParityCircle])},
        {"a": F.EmbeddedDocumentField(ParityShape)},
    ),
]


@pytest.mark.parametrize(("narrow", "wide"), [pair[1:] for pair in WIDER], ids=[pair[0] for pair in WIDER])
def test_the_wider_schema_wins_whoever_deploys_it(narrow: dict[str, Any], wide: dict[str, Any]) -> None:
    small, large = of(**narrow), of(**wide)

    assert merge(one(small), one(large)) == one(large)
    assert merge(one(large), one(small)) == one(large)


@pytest.mark.parametrize(
    ("live", "declared", "path"),
    [
        ({"a": F.IntField()}, {"a": F.StringField()}, r"data\.a: bsonType"),
        ({}, {"a": F.IntField(required=True)}, r"data\.a: not a field of both"),
        (
            {"a": F.IntField(required=True), "b": F.IntField()},
            {"a": F.IntField(), "b": F.IntField(required=True)},
            r"data: required \['a'\] against \['b'\]",
        ),
        ({"a": F.IntField()}, {"b": F.IntField()}, r"data\.b: not a field of both"),
        (
            {"a": F.StringField(choices=["x"])},
            {"a": F.StringField(choices=["y"])},
            r"data\.a: enum \['x'\] against \['y'\]",
        ),
        ({"a": F.StringField(regex="x")}, {"a": F.StringField(regex="y")}, r"data\.a: pattern"),
        ({"a": F.ListField(F.IntField())}, {"a": F.ListField(F.StringField())}, r"data\.a\[\]: bsonType"),
        ({"a": F.DynamicField(choices=[1])}, {"a": F.DynamicField(choices=[True])}, r"data\.a: enum"),
    ],
)
def test_two_schemas_of_which_none_is_wider_are_refused_naming_the_field(
    live: dict[str, Any], declared: dict[str, Any], path: str
) -> None:
    with pytest.raises(IncompatibleOutbox, match=rf"'order\.placed'.*{path}(?s:.*)order\.placed\.v2"):
        merge({FIRST: of(**live)}, {FIRST: of(**declared)})


def test_a_newer_version_need_not_be_wider() -> None:
    text, number = of(a=F.StringField()), of(a=F.IntField())

    assert merge({FIRST: text}, {SECOND: number}) == {FIRST: text, SECOND: number}


def test_what_is_refused_says_which_version_would_be_taken() -> None:
    live = {FIRST: of(a=F.StringField()), SECOND: of(a=F.IntField())}

    with pytest.raises(IncompatibleOutbox, match=r"version=3 and @upcast\('order.placed', 2\)"):
        merge(live, {SECOND: of(a=F.BooleanField())})


def test_a_type_of_one_version_has_the_validator_that_it_always_had() -> None:
    """A validator that differed would be changed by each older deploy, and back by each newer one."""
    [branch] = staging_validator({FIRST: of()}, 500)["$or"]

    assert branch["$jsonSchema"]["properties"]["headers"] == {"properties": {"compaction-id": {"not": {}}}}


def test_types_of_other_deploys_stay_and_new_ones_are_added_last() -> None:
    first, two = of(a=F.IntField()), of(b=F.IntField())

    assert list(merge({OLD: first}, {NEW: two}).items()) == [(OLD, first), (NEW, two)]


def test_what_is_merged_is_not_touched() -> None:
    live = {OLD: of()}

    merge(live, {NEW: of()})

    assert list(live) == [OLD]


def test_a_validator_gives_back_what_it_was_made_of() -> None:
    schemas = {
        of_type("a"): of(x=F.IntField()),
        of_type("a", 2): of(x=F.StringField()),
        of_type("b"): of(x=F.Decimal128Field(min_value=1)),
    }
    validator = staging_validator(schemas, 1234)

    assert schemas_of(validator) == schemas
    assert schemas_of(validator)[of_type("b")]["properties"]["x"]["minimum"] == Decimal128("1")
    assert max_message_bytes_of(validator) == 1234


@pytest.mark.parametrize(
    "foreign", [{}, {"$jsonSchema": {"bsonType": "object"}}, {"$or": [{"a": 1}]}, {"$expr": {"$lte": [1, 2]}}]
)
def test_a_foreign_validator_has_no_schemas(foreign: dict[str, Any]) -> None:
    assert schemas_of(foreign) == {}
    assert max_message_bytes_of(foreign) is None


@pytest.mark.parametrize(
    ("live", "new"), [("order.placed", "order_placed"), ("order_placed", "order.placed"), ("a.b_c", "a_b.c")]
)
def test_a_new_type_that_kafka_takes_for_another_is_refused_by_both_names(live: str, new: str) -> None:
    """As topics they could not be beside each other, and a relay with a topic a type would stop at the second."""
    for live_, declared in (
        ({of_type(live): of()}, {of_type(new): of()}),
        ({}, {of_type(live): of(), of_type(new): of()}),
    ):
        with pytest.raises(IncompatibleOutbox, match=re.escape(f"{new!r} is {live!r} to Kafka")):
            merge(live_, declared)


def test_types_that_stand_beside_each_other_already_go_on() -> None:
    live = {of_type("a.b"): of(), of_type("a_b"): of()}

    assert merge(live, {**live, of_type("a-b"): of()}) == {**live, of_type("a-b"): of()}

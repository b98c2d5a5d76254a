"""The evaluation of a `$jsonSchema` against the server's own: whatever the schema, whatever the value."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId, Regex, Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.errors import OperationFailure, WriteError

from outbox.messages.plain.evaluation import Open, finding
from outbox.messages.plain.keywords import JSON_TYPES, TYPES, findings
from outbox.mongo.codec import DECODED

pytestmark = pytest.mark.oldest_server
DOCUMENT_VALIDATION_FAILURE = 121
SCALARS = [
    None, True, False, 0, 1, -1, 3, Int64(3), 2**40, 0.0, 1.0, 0.1, 0.3, 2.5, -1e300, float("nan"), float("inf"),
    Decimal128("1.0"), Decimal128("0.1"), Decimal128("0.3"), Decimal128("NaN"), Decimal128("-Infinity"), "", "a", "ab",
    "é😀", "a\n", "x1", b"a", uuid.UUID(int=1), ObjectId("65a000000000000000000001"), datetime(2024, 5, 6, tzinfo=UTC),
    Timestamp(1, 1), Regex("a"),
]  # fmt: skip
NAMES = ["a", "b", "ab", "x1", "é"]
NUMBERS = [0, 1, -1, 3, 0.1, 0.5, 2.5, Int64(3), Decimal128("0.1"), Decimal128("1.0"), float("inf")]
values = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=6,
)
sizes = st.integers(0, 3)
numbers = st.sampled_from(NUMBERS)
patterns = st.sampled_from(["a", "^a$", "[a-c]+", "^x[0-9]$", r"^\d", "", "(?:a|b)c?"])


def one_or_more(names: tuple[str, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(names) | st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True)


LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "bsonType": one_or_more(TYPES),
    "type": one_or_more(JSON_TYPES),
    "enum": st.lists(st.sampled_from(SCALARS), min_size=1, max_size=4),
    "minimum": numbers,
    "maximum": numbers,
    "exclusiveMinimum": st.booleans(),
    "exclusiveMaximum": st.booleans(),
    "multipleOf": numbers,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), sizes),
    "pattern": patterns,
    "uniqueItems": st.booleans(),
    "required": st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True),
}


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    others = st.booleans() | inner
    return schemas_of(
        {
            **LEAVES,
            "properties": named,
            "patternProperties": st.dictionaries(patterns.filter(bool), inner, max_size=2),
            "additionalProperties": others,
            "items": inner | several,
            "additionalItems": others,
            "dependencies": st.dictionaries(st.sampled_from(NAMES), inner | LEAVES["required"], max_size=2),
            **dict.fromkeys(("allOf", "anyOf", "oneOf"), several),
            "not": inner,
        }
    )  # fmt: skip


def schemas_of(keywords: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    chosen = st.lists(st.sampled_from(sorted(keywords)), max_size=3, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: keywords[name] for name in names}))


schemas = st.recursive(schemas_of(LEAVES), nested, max_leaves=4)


@pytest.fixture(scope="module")
def collection(mongo: MongoClient[dict[str, Any]]) -> Iterator[Any]:
    database = mongo[f"test_{uuid.uuid4().hex}"]
    yield database.create_collection("evaluated").with_options(DECODED)
    mongo.drop_database(database.name)


def server_takes_schema(collection: Any, schema: Any) -> bool:
    try:
        collection.database.command(
            "collMod", collection.name, validator={"$jsonSchema": {"properties": {"v": schema}}}, codec_options=DECODED
        )
    except OperationFailure as error:
        if error.code not in (2, 9, 14):  # BadValue, FailedToParse, TypeMismatch
            raise
        return False
    return True


def server_takes(collection: Any, value: Any) -> bool:
    try:
        collection.insert_one({"v": value})
    except WriteError as error:
        if error.code != DOCUMENT_VALIDATION_FAILURE:
            raise
        return False
    return True


@given(schema=schemas, tried=st.lists(values, min_size=1, max_size=6))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_take_the_same_schemas_and_the_same_values(collection: Any, schema: Any, tried: list[Any]) -> None:
    refused = list(findings(schema, "schema"))

    assert server_takes_schema(collection, schema) == (refused == []), refused
    for value in tried if not refused else []:
        stored = bson.decode(bson.encode({"v": value}, codec_options=DECODED), DECODED)["v"]
        found = finding(schema, stored)
        if not isinstance(found, Open):
            assert server_takes(collection, value) == (found is None), (value, found)

"""The staging collection's validator, on the server: whoever writes, whatever the language."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Int64, ObjectId, Timestamp
from mongoengine import EmbeddedDocument, fields
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import WriteError

from outbox.messages.dialects import portable_pattern
from outbox.messages.documents.fields import bson_schema
from outbox.messages.limits import RESERVED_HEADERS
from outbox.messages.versions import TypeVersion
from outbox.mongo.codec import DECODED
from outbox.staging.validator import max_message_bytes_of, schemas_of, staging_validator

pytestmark = pytest.mark.oldest_server

DOCUMENT_VALIDATION_FAILURE = 121
Staging = Collection[dict[str, Any]]


class ValidatedOne(EmbeddedDocument):
    a = fields.IntField(required=True)


class ValidatedTwo(EmbeddedDocument):
    b = fields.StringField()


SCHEMAS = {TypeVersion("one", 1): bson_schema(ValidatedOne), TypeVersion("two", 1): bson_schema(ValidatedTwo)}


@pytest.fixture
def staging(database: Database[dict[str, Any]]) -> Staging:
    return database.create_collection("staging", validator=staging_validator(SCHEMAS, 500))


def document(**changes: Any) -> dict[str, Any]:
    whole = {
        "_id": ObjectId(),
        "at": Timestamp(0, 0),
        "created": datetime(2024, 1, 1, tzinfo=UTC),
        "type": "one",
        "key": "k",
        "headers": {"tenant": "acme"},
        "data": {"a": 1},
    }
    return {**whole, **changes}


def refused(staging: Staging, one: dict[str, Any]) -> None:
    with pytest.raises(WriteError) as error:
        staging.insert_one(one)
    assert error.value.code == DOCUMENT_VALIDATION_FAILURE


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"key": None},
        {"key": ""},
        {"headers": {}},
        {"headers": {"Id": "x", "trace-id": ""}},
        {"type": "two", "data": {}},
        {"created": datetime(1, 1, 1, tzinfo=UTC)},
    ],
)
def test_a_document_of_the_contract_is_taken_and_stamped(staging: Staging, changes: dict[str, Any]) -> None:
    staging.insert_one(document(**changes))

    [stored] = staging.find()
    assert stored["at"] > Timestamp(0, 0)


@pytest.mark.parametrize("name", ["at", "created", "type", "key", "headers", "data"])
def test_each_field_of_the_envelope_is_required(staging: Staging, name: str) -> None:
    one = document()
    del one[name]

    refused(staging, one)


@pytest.mark.parametrize(
    "changes",
    [
        {"_id": 1},
        {"_id": "65a000000000000000000001"},
        {"at": datetime(2024, 1, 1, tzinfo=UTC)},
        {"at": 1},
        {"created": "2024-01-01"},
        {"created": Timestamp(1, 1)},
        {"type": "three"},
        {"type": None},
        {"type": ["one"]},
        {"key": 42},
        {"key": ["k"]},
        {"headers": None},
        {"headers": []},
        {"headers": {"tenant": 1}},
        {"headers": {"tenant": None}},
        {"data": None},
        {"data": [{"a": 1}]},
        {"data": {}},
        {"data": {"a": Int64(1), "b": "x"}},
        {"type": "two", "data": {"a": 1}},
        {"more": 1},
        {"seq": 1},
    ],
)
def test_a_document_beside_the_contract_is_refused(staging: Staging, changes: dict[str, Any]) -> None:
    refused(staging, document(**changes))


@pytest.mark.parametrize("name", RESERVED_HEADERS)
def test_a_header_that_the_kafka_record_fills_is_refused(staging: Staging, name: str) -> None:
    refused(staging, document(headers={name: "x"}))


def test_the_whole_document_is_bounded_in_bytes(staging: Staging) -> None:
    size = len(bson.encode(document(type="two", data={"b": ""})))

    staging.insert_one(document(type="two", data={"b": "x" * (500 - size)}))
    refused(staging, document(type="two", data={"b": "x" * (501 - size)}))


def test_a_write_that_the_server_does_not_stamp_is_refused(staging: Staging) -> None:
    one = document()

    with pytest.raises(WriteError) as error:
        staging.update_one({"_id": one.pop("_id")}, {"$set": one}, upsert=True)

    assert error.value.code == DOCUMENT_VALIDATION_FAILURE


def test_an_outbox_without_types_takes_nothing(database: Database[dict[str, Any]]) -> None:
    refused(database.create_collection("staging", validator=staging_validator({}, 500)), document())


def test_a_live_validator_gives_back_its_schemas(database: Database[dict[str, Any]], staging: Staging) -> None:
    [live] = database.command("listCollections", filter={"name": staging.name}, codec_options=DECODED)["cursor"][
        "firstBatch"
    ]
    validator = live["options"]["validator"]

    assert validator == staging_validator(SCHEMAS, 500)
    assert schemas_of(validator) == SCHEMAS
    assert max_message_bytes_of(validator) == 500


def test_a_portable_pattern_means_to_the_server_what_it_means_to_python(staging: Staging) -> None:
    sources = ["^a.b$", "a.", "[^a]", "a|b", "(a|b){2}$", "[a-c]+?d", r"\[\.\]", "é*$", "^$", "a$", ".*$"]
    texts = [
        "",
        "a",
        "b",
        "ab",
        "a\n",
        "a\r",
        "axb",
        "axb\n",
        "a\nb",
        "é",
        "éé",
        "[.]",
        "abcd",
        "a\u2028b",
        "\0",
        "a😀b",
        "😀",
    ]
    plain = staging.database["texts"]
    plain.insert_many([{"_id": text} for text in texts])

    for source in sources:
        pattern = re.compile(source)
        found = {one["_id"] for one in plain.find({"_id": {"$regex": portable_pattern(pattern)}})}
        assert found == {text for text in texts if pattern.match(text)}, source

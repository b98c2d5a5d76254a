"""Each field class of mongoengine: what client and server both take, both refuse, and what only the client checks."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import bson
import pytest
from bson import Int64, ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument
from mongoengine import EmbeddedDocument, fields
from mongoengine.base import BaseField
from pymongo import MongoClient
from pymongo.errors import WriteError

from outbox import InvalidMessage, InvalidMessageClass, message
from outbox.messages.documents.fields import REFUSED, STORED
from outbox.messages.message_types import MessageTypes
from outbox.mongo.codec import DECODED
from outbox.staging.validator import staging_validator
from tests.integration.outbox.messages.field_cases import CASES, NOON, ParityCustomer

F = fields
DOCUMENT_VALIDATION_FAILURE = 121


def of_mongoengine() -> set[type]:
    return {value for value in vars(fields).values() if isinstance(value, type) and issubclass(value, BaseField)}


def expand(kind: str) -> list[Any]:
    return [
        pytest.param(case.make, value, id=f"{cls.__name__}-{index}-{position}")
        for cls, cases in CASES.items()
        for index, case in enumerate(cases)
        for position, value in enumerate(getattr(case, kind))
    ]


def message_of(one: Any) -> Any:
    made = type(EmbeddedDocument)("Parity", (EmbeddedDocument,), {"f": one})
    return message("parity")(made)


@dataclass(frozen=True)
class Pair:
    """One field, as the client sees it and as a staging-like collection does."""

    types: MessageTypes
    cls: Any
    staging: Any

    def data(self, value: Any) -> RawBSONDocument:
        """Through the client. Raises InvalidMessage."""
        instance = self.cls()
        instance.f = value
        return self.types.encode(instance)[2]

    def insert(self, data: Any) -> None:
        """Past the client. Raises WriteError."""
        envelope = {"_id": ObjectId(), "at": Timestamp(0, 0), "created": NOON, "type": "parity"}
        self.staging.insert_one({**envelope, "key": None, "headers": {}, "data": data})


Make = Callable[[Callable[[], Any]], Pair]


@pytest.fixture(scope="module")
def pair(mongo: MongoClient[dict[str, Any]]) -> Iterator[Make]:
    """One collection a case: making 400 databases would take most of the time."""
    database = mongo[f"test_{uuid.uuid4().hex}"]

    @functools.cache
    def make(factory: Callable[[], Any]) -> Pair:
        cls = message_of(factory())
        types = MessageTypes([cls])
        staging = database.create_collection(uuid.uuid4().hex, validator=staging_validator(types.schemas(), 1_000_000))
        return Pair(types, cls, staging.with_options(DECODED))

    yield make
    mongo.drop_database(database.name)


def as_pair(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], int) else (value, value)


def test_every_field_class_of_mongoengine_is_stored_or_refused() -> None:
    assert set(STORED) | set(REFUSED) == of_mongoengine()
    assert not set(STORED) & set(REFUSED)


def test_every_stored_field_class_has_values_that_both_take_and_both_refuse() -> None:
    assert set(CASES) == set(STORED)
    for cls, cases in CASES.items():
        assert any(case.takes for case in cases), cls
        assert any(case.refuses for case in cases), cls


@pytest.mark.parametrize(("make", "value"), expand("takes"))
def test_what_the_client_takes_the_server_takes_and_readers_get_back(pair: Make, make: Any, value: Any) -> None:
    both = pair(make)
    data = both.data(value)

    both.insert(data)

    stored = both.staging.find_one(sort=[("at", -1)])
    again = both.types.decode("parity", stored["data"])
    assert bson.encode(both.types.encode(again)[2], codec_options=DECODED) == bson.encode(data, codec_options=DECODED)


@pytest.mark.parametrize(("make", "value"), expand("refuses"))
def test_what_the_client_refuses_the_server_refuses(pair: Make, make: Any, value: Any) -> None:
    both = pair(make)
    ours, raw = as_pair(value)

    with pytest.raises(InvalidMessage):
        both.data(ours)
    with pytest.raises(WriteError) as refused:
        both.insert({"f": raw})

    assert refused.value.code == DOCUMENT_VALIDATION_FAILURE


@pytest.mark.parametrize(("make", "value"), expand("client_only"))
def test_what_only_the_client_checks_the_server_takes(pair: Make, make: Any, value: Any) -> None:
    both = pair(make)
    ours, raw = as_pair(value)

    with pytest.raises(InvalidMessage):
        both.data(ours)
    both.insert({"f": raw})


@pytest.mark.parametrize(("make", "value"), expand("server_only"))
def test_what_mongoengine_lets_by_the_server_still_refuses(pair: Make, make: Any, value: Any) -> None:
    both = pair(make)
    data = both.data(value)

    with pytest.raises(WriteError) as refused:
        both.insert(data)

    assert refused.value.code == DOCUMENT_VALIDATION_FAILURE


@pytest.mark.parametrize("make", [case.make for cases in CASES.values() for case in cases])
def test_an_unknown_field_is_refused_by_both(pair: Make, make: Any) -> None:
    both = pair(make)

    with pytest.raises(Exception, match="do not exist"):
        both.cls(other=1)
    with pytest.raises(WriteError) as refused:
        both.insert({"other": 1})

    assert refused.value.code == DOCUMENT_VALIDATION_FAILURE


def changed(cls: type, **changes: Any) -> Callable[[], Any]:
    def make() -> Any:
        one = CASES[cls][0].make()
        vars(one).update(changes, default=None)
        return one

    return make


@pytest.mark.parametrize("cls", list(STORED))
def test_no_value_is_stored_as_no_field_and_the_server_refuses_null(pair: Make, cls: type) -> None:
    both = pair(changed(cls, required=False))

    assert dict(both.data(None)) == {}
    both.insert({})
    with pytest.raises(WriteError):
        both.insert({"f": None})


@pytest.mark.parametrize("cls", list(STORED))
def test_a_field_that_has_null_is_stored_as_null(pair: Make, cls: type) -> None:
    both = pair(changed(cls, required=False, null=True))

    assert dict(both.data(None)) == {"f": None}
    both.insert({"f": None})


@pytest.mark.parametrize("cls", list(STORED))
def test_a_required_field_is_required_by_both(pair: Make, cls: type) -> None:
    both = pair(changed(cls, required=True))

    with pytest.raises(InvalidMessage):
        both.data(None)
    with pytest.raises(WriteError):
        both.insert({})


@pytest.mark.parametrize(
    "make",
    [F.FileField, F.SequenceField, lambda: F.ListField(F.CachedReferenceField(ParityCustomer)), BaseField],
)
def test_a_field_that_cannot_be_stored_is_refused_at_decoration(make: Any) -> None:
    with pytest.raises(InvalidMessageClass, match=r"Parity\.f"):
        message_of(make())


def test_an_integer_beyond_64_bits_is_refused_before_it_is_written(pair: Make) -> None:
    with pytest.raises(InvalidMessage, match="64 bits"):
        pair(F.IntField).data(2**63)


def test_a_long_written_by_another_driver_is_taken(pair: Make) -> None:
    pair(F.IntField).insert({"f": Int64(1)})

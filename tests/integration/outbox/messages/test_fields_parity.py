"""Each field class of mongoengine: missing, null, and what mongoengine lets by; test_parity.py has the values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson import Int64
from mongoengine import fields
from mongoengine.base import BaseField
from pymongo.errors import WriteError

from outbox import InvalidMessage, InvalidMessageClass
from outbox.messages.documents.fields import REFUSED, STORED
from tests.integration.outbox.messages.field_cases import CASES, Case, ParityCustomer
from tests.integration.outbox.messages.parity import ALL, DOCUMENT_VALIDATION_FAILURE, Declared, Pair, document_of

F = fields
Make = Callable[[Callable[[], Declared]], Pair]


def of_mongoengine() -> set[type]:
    return {value for value in vars(fields).values() if isinstance(value, type) and issubclass(value, BaseField)}


def expand(kind: str) -> list[Any]:
    return [
        pytest.param(tried.declare, value, id=f"{tried.name}-{position}")
        for tried in ALL
        if isinstance(tried.case, Case)
        for position, value in enumerate(getattr(tried.case, kind))
    ]


def test_every_field_class_of_mongoengine_is_stored_or_refused() -> None:
    assert set(STORED) | set(REFUSED) == of_mongoengine()
    assert not set(STORED) & set(REFUSED)


@pytest.mark.parametrize(("make", "value"), expand("server_only"))
def test_what_mongoengine_lets_by_the_server_still_refuses(pair: Make, make: Any, value: Any) -> None:
    both = pair(make)
    data = both.data(value)

    with pytest.raises(WriteError) as refused:
        both.insert(data)

    assert refused.value.code == DOCUMENT_VALIDATION_FAILURE


def test_an_unknown_field_is_refused_by_the_class() -> None:
    with pytest.raises(Exception, match="do not exist"):
        document_of(F.StringField()).cls(other=1)


def changed(cls: type, **changes: Any) -> Callable[[], Declared]:
    def make() -> Declared:
        one = CASES[cls][0].make()
        vars(one).update(changes, default=None)
        return document_of(one)

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
        document_of(make())


def test_an_integer_beyond_64_bits_is_refused_before_it_is_written(pair: Make) -> None:
    with pytest.raises(InvalidMessage, match="64 bits"):
        pair(lambda: document_of(F.IntField())).data(2**63)


def test_a_long_written_by_another_driver_is_taken(pair: Make) -> None:
    pair(lambda: document_of(F.IntField())).insert({"f": Int64(1)})

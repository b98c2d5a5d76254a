"""`types` and `key` of readers: what can match nothing is refused or warned of, where it was silent for ever."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from bson import ObjectId
from mongoengine import EmbeddedDocument, IntField, ObjectIdField, UUIDField  # type: ignore[import-untyped]  # no types
from pymongo.database import Database

from outbox import InvalidSelector, Outbox, UnknownMessage, message
from tests.actors.order_service import (
    OrderCancelled,
    OrderPlaced,
    StockCounted,
    new_outbox,
    placed,
    totals,
    warnings_of,
)

Document = dict[str, Any]


class Region(str, Enum):  # noqa: UP042  # as older code has it
    EU = "eu"
    PLACED = "order.placed"


@message("by.object", key="k")
class ByObject(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    k = ObjectIdField()


@message("by.uuid", key="k")
class ByUuid(EmbeddedDocument):  # type: ignore[misc]  # as above
    k = UUIDField()


@message("by.number", key="k")
class ByNumber(EmbeddedDocument):  # type: ignore[misc]  # as above
    k = IntField()


@pytest.fixture
def orders(database: Database[Document]) -> Outbox:
    return new_outbox(database, sequence=False)


@pytest.fixture(params=["observe", "read"])
def reading(orders: Outbox, request: pytest.FixtureRequest) -> Callable[..., Any]:
    way: Callable[..., Any] = getattr(orders, request.param)
    return way


@pytest.mark.parametrize("key", [ObjectId("65a000000000000000000001"), uuid.UUID(int=10), 42, -7])
def test_a_key_is_found_by_the_value_that_was_put(database: Database[Document], key: Any) -> None:
    kinds = {ObjectId: ByObject, uuid.UUID: ByUuid, int: ByNumber}
    orders = Outbox(database, messages=list(kinds.values()), sequence=False)
    orders.create()
    id = orders.put(kinds[type(key)](k=key), standalone=True)
    orders.sequence()

    assert [record.id for record in orders.read(key=key)] == [id] == [record.id for record in orders.read(key=str(key))]


def test_an_enum_s_member_stands_for_its_value(orders: Outbox) -> None:
    orders.put([placed(1, "eu"), placed(2, "us")], standalone=True)
    orders.sequence()

    assert totals(orders.read(key=Region.EU, types=[Region.PLACED])) == [1]


@pytest.mark.parametrize("key", [1.5, True, b"42", ["42"], {"order_id": "42"}])
def test_what_can_be_no_key_is_refused(reading: Callable[..., Any], key: Any) -> None:
    with pytest.raises(InvalidSelector, match="a key is a text, int, ObjectId or UUID"):
        reading("earliest", key=key)


@pytest.mark.parametrize(
    ("types", "why"),
    [
        ("order.placed", "give a list"),
        (OrderPlaced, "give a list"),
        (7, "give a list"),
        (["order placed"], "can be no message's type"),
        ([""], "can be no message's type"),
    ],
)
def test_types_that_can_match_nothing_are_refused(reading: Callable[..., Any], types: Any, why: str) -> None:
    with pytest.raises(InvalidSelector, match=why):
        reading("earliest", types=types)


@pytest.mark.parametrize("types", [[], ()])
def test_no_type_at_all_is_warned_of(orders: Outbox, caplog: pytest.LogCaptureFixture, types: Any) -> None:
    assert list(orders.read(types=types)) == []
    assert "no record will ever come" in caplog.text


@pytest.mark.parametrize("types", [[ByNumber], [int], [7], [None]])
def test_a_class_that_was_not_given_is_refused(reading: Callable[..., Any], types: Any) -> None:
    with pytest.raises(UnknownMessage, match="Outbox"):
        reading("earliest", types=types)


def test_a_name_that_nobody_declared_is_warned_of_with_the_nearest(
    orders: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    assert list(orders.read(types=["order.plcaed", "unheard.of", OrderPlaced])) == []

    nearest, unknown = warnings_of(caplog)
    assert "'order.plcaed'" in nearest
    assert "did you mean 'order.placed'" in nearest
    assert "'unheard.of'" in unknown
    assert "did you mean" not in unknown


def test_another_service_s_type_is_none_to_warn_of(orders: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    other = Outbox(orders.collections.database, messages=[OrderCancelled, StockCounted], sequence=False)

    assert list(other.read(types=["order.placed"])) == []
    assert warnings_of(caplog) == []

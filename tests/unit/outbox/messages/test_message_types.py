"""Encoding and decoding messages."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any

import bson
import pytest
from bson import Int64, ObjectId
from hypothesis import given
from hypothesis import strategies as st
from mongoengine import EmbeddedDocument, ValidationError, fields

from outbox import InvalidMessage, UnknownMessage, message
from outbox.messages.message_types import MessageTypes
from outbox.mongo.codec import DECODED


class Line(EmbeddedDocument):
    sku = fields.StringField(required=True)
    count = fields.IntField(db_field="n", min_value=1, default=1)


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = fields.StringField(required=True, db_field="id")
    total = fields.Decimal128Field(min_value=0)
    placed = fields.DateTimeField()
    lines = fields.EmbeddedDocumentListField(Line)
    tags = fields.MapField(fields.StringField())
    main = fields.EmbeddedDocumentField(Line)
    other = fields.GenericEmbeddedDocumentField()
    free = fields.DictField()


@message("order.cancelled")
class OrderCancelled(EmbeddedDocument):
    reason = fields.StringField()


TYPES = MessageTypes([OrderPlaced, OrderCancelled])


class Region(str, Enum):  # noqa: UP042  # as older code has it
    EU = "eu"


class Level(IntEnum):
    HIGH = 3


class Shouted(str):
    def __str__(self) -> str:
        return self.upper() + "!"


def keyed(field: Any) -> tuple[MessageTypes, Any]:
    cls = message("keyed", key="k")(type(EmbeddedDocument)("Keyed", (EmbeddedDocument,), {"k": field}))
    return MessageTypes([cls]), cls


def test_encoding_gives_type_key_and_data_under_their_stored_names() -> None:
    type, key, data = TYPES.encode(OrderPlaced(order_id="42", total="9.90", lines=[Line(sku="a", count=2)]))

    assert (type, key) == ("order.placed", "42")
    assert bson.decode(data) == {
        "id": "42", "total": bson.Decimal128("9.90"), "lines": [{"sku": "a", "n": 2}], "tags": {}, "free": {}
    }  # fmt: skip


def test_a_message_without_a_key_field_has_a_null_key() -> None:
    assert TYPES.encode(OrderCancelled(reason="late"))[:2] == ("order.cancelled", None)


def test_names_keep_the_order_given() -> None:
    assert MessageTypes([OrderCancelled, OrderPlaced]).names == ("order.cancelled", "order.placed")
    assert list(MessageTypes([OrderCancelled, OrderPlaced]).schemas()) == ["order.cancelled", "order.placed"]


@pytest.mark.parametrize(
    ("field", "value", "key"),
    [
        (fields.StringField(), "é", "é"),
        (fields.StringField(), "", ""),
        (fields.IntField(), -7, "-7"),
        (fields.LongField(), 2**40, str(2**40)),
        (fields.ObjectIdField(), ObjectId("65A000000000000000000001"), "65a000000000000000000001"),
        (fields.UUIDField(), uuid.UUID(int=10), "00000000-0000-0000-0000-00000000000a"),
        (fields.UUIDField(binary=False), uuid.UUID(int=10), "00000000-0000-0000-0000-00000000000a"),
        (fields.StringField(), Region.EU, "eu"),
        (fields.StringField(), StrEnum("Word", {"ONE": "1"}).ONE, "1"),  # type: ignore[attr-defined]  # made here
        (fields.StringField(), Shouted("eu"), "eu"),
        (fields.IntField(), Level.HIGH, "3"),
        (fields.IntField(), "7", "7"),
        (fields.IntField(), Int64(7), "7"),
    ],
)
def test_a_key_is_text_whatever_field_it_comes_from(field: Any, value: Any, key: str) -> None:
    types, cls = keyed(field)

    assert types.encode(cls(k=value))[1] == key


def test_a_type_s_name_is_its_text_too() -> None:
    cls = message(Region.EU)(type(EmbeddedDocument)("Typed", (EmbeddedDocument,), {}))

    assert f"{MessageTypes([cls]).names[0]}" == "eu"
    assert MessageTypes([cls]).encode(cls())[0].__class__ is str


def test_a_key_without_a_value_is_refused_with_advice() -> None:
    types, cls = keyed(fields.StringField())

    with pytest.raises(InvalidMessage, match="'k' has no value; give it one"):
        types.encode(cls())


@pytest.mark.parametrize("value", [Line(sku="a"), {"order_id": "42"}, None])
def test_a_message_of_another_class_is_unknown(value: object) -> None:
    with pytest.raises(UnknownMessage, match="give it to Outbox"):
        TYPES.encode(value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"order_id": None}, "order_id"),
        ({"total": "-1"}, "too small"),
        ({"lines": [Line(sku="a", count=0)]}, "too small"),
        ({"free": {"a": 2**63}}, "64 bits"),
        ({"free": {"a": object()}}, "object"),
        ({"free": {"a": "\ud800"}}, "surrogates"),
        ({"total": Decimal("NaN")}, "no number"),
    ],
)
def test_a_message_that_cannot_be_stored_is_refused(changes: dict[str, Any], reason: str) -> None:
    order = OrderPlaced(**{"order_id": "42", **changes})

    with pytest.raises(InvalidMessage, match=rf"order\.placed: (?s:.*){reason}"):
        TYPES.encode(order)


def test_a_value_nested_deeper_than_python_follows_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    order = OrderPlaced(order_id="42")
    order.free = deep

    with pytest.raises(InvalidMessage, match="recursion"):
        TYPES.encode(order)


def test_the_clean_method_of_a_class_refuses_and_changes_messages() -> None:
    @message("cleaned")
    class Cleaned(EmbeddedDocument):
        a = fields.IntField()

        def clean(self) -> None:
            if self.a == 0:
                raise ValidationError("a is 0")
            self.a = 5

    types = MessageTypes([Cleaned])

    assert bson.decode(types.encode(Cleaned(a=1))[2]) == {"a": 5}
    with pytest.raises(InvalidMessage, match="a is 0"):
        types.encode(Cleaned(a=0))


def test_an_error_of_the_users_own_code_is_not_taken_for_a_refusal() -> None:
    @message("broken")
    class Broken(EmbeddedDocument):
        def clean(self) -> None:
            raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        MessageTypes([Broken]).encode(Broken())


moments = st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(UTC)).map(  # noqa: DTZ001  # hypothesis wants it naive
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
lines = st.builds(Line, sku=texts, count=st.integers(1, 2**63 - 1))
finite = st.floats(allow_nan=False, allow_infinity=False)
orders = st.builds(
    OrderPlaced,
    order_id=texts,
    total=st.none() | st.decimals(0, 10**9, places=4),
    placed=st.none() | moments,
    lines=st.lists(lines, max_size=3),
    tags=st.dictionaries(st.sampled_from(["a", "b.c", "é"]), texts),
    main=st.none() | lines,
    other=st.none() | lines,
    free=st.dictionaries(
        st.sampled_from(["x", "y"]),
        st.none() | st.booleans() | texts | st.lists(finite),
    ),
)


@given(orders)
def test_a_message_comes_back_equal_through_bson(order: OrderPlaced) -> None:
    type_name, _key, data = TYPES.encode(order)

    again = TYPES.decode(type_name, bson.decode(data, DECODED))

    assert isinstance(again, OrderPlaced)
    assert stored(again) == stored(order)


def stored(order: OrderPlaced) -> bytes:
    return bson.encode(order.to_mongo(), codec_options=DECODED)


def test_an_unknown_type_and_no_data_decode_to_none() -> None:
    assert TYPES.decode("other", {"a": 1}) is None
    assert TYPES.decode("order.placed", None) is None


def test_fields_a_newer_writer_added_are_left_out_wherever_they_are() -> None:
    newer = {"sku": "a", "n": 2, "new": 1}
    data = {
        "id": "42",
        "new": {"x": 1},
        "lines": [newer],
        "main": newer,
        "other": {**newer, "_cls": "Line"},
        "free": {"new": 1},
    }

    order = TYPES.decode("order.placed", data)

    line = Line(sku="a", count=2)
    assert order == OrderPlaced(order_id="42", lines=[line], main=line, other=line, free={"new": 1})
    assert data["new"] == {"x": 1}


@pytest.mark.parametrize("data", [{"main": "x"}, {"other": {"_cls": "Nowhere"}}, {"lines": ["x"]}])
def test_data_that_does_not_fit_the_class_is_told_with_the_way_out(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage, match=r"does not fit OrderPlaced (?s:.*) the record's `data` has it"):
        TYPES.decode("order.placed", data)


def test_a_date_that_python_cannot_hold_is_decoded() -> None:
    [far] = bson.decode(bson.encode({"d": bson.datetime_ms.DatetimeMS(2**60)}), DECODED).values()

    order: Any = TYPES.decode("order.placed", {"id": "42", "placed": far})

    assert order.placed == far


def test_a_name_is_found_by_class_or_name() -> None:
    assert TYPES.name_of(OrderPlaced) == "order.placed"
    assert TYPES.name_of("of.another.service") == "of.another.service"
    with pytest.raises(UnknownMessage):
        TYPES.name_of(Line)

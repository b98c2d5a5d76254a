"""Making tombstones, and putting them into an outbox in memory."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from bson import ObjectId
from mongoengine import EmbeddedDocument, fields

from outbox import InvalidHeaders, InvalidMessage, UnknownMessage, message, tombstone
from outbox.messages.limits import HEADERS
from outbox.testing import MemoryOutbox
from tests.actors.catalogue import MESSAGES, BasketLine, Price, Viewed, price

ID = UUID("d9428888-122b-11e1-b85c-61cd3cbb3210")


def keyed(field: Any) -> Any:
    cls = type(EmbeddedDocument)("Keyed", (EmbeddedDocument,), {"k": field})
    return message("keyed", key="k", compact=True)(cls)


def put(one: Any, *classes: Any, **options: Any) -> Any:
    catalogue = MemoryOutbox(messages=classes or MESSAGES)
    catalogue.put(one, standalone=True, **options)
    return catalogue.records[-1]


def test_it_has_the_type_and_the_key_and_no_data() -> None:
    record = put(tombstone(Price, key="a1"))

    assert (record.type, record.key, record.data, record.message, record.headers) == ("price", "a1", None, None, {})


def test_it_goes_into_a_list_with_messages() -> None:
    catalogue = MemoryOutbox(messages=MESSAGES)

    ids = catalogue.put([price("a", 1), tombstone(Price, key="a"), price("b", 2)], standalone=True)

    assert [record.id for record in catalogue.records] == ids
    assert [record.data is None for record in catalogue.records] == [False, True, False]


def test_of_another_field_it_carries_the_id_beside_its_own_headers() -> None:
    record = put(tombstone(BasketLine, key="o1", line_id=7), headers={"tenant": "acme"})

    assert (record.type, record.key, record.data) == ("line", "o1", None)
    assert record.headers == {"tenant": "acme", "compaction-id": "7"}


@pytest.mark.parametrize(
    ("field", "given", "key"),
    [
        (fields.StringField(), "a", "a"),
        (fields.IntField(), 7, "7"),
        (fields.IntField(), "7", "7"),
        (fields.UUIDField(), ID, str(ID)),
        (fields.UUIDField(), str(ID).upper(), str(ID)),
        (fields.UUIDField(binary=False), str(ID).upper(), str(ID)),
        (fields.ObjectIdField(), ObjectId("65a000000000000000000001"), "65a000000000000000000001"),
        (fields.ObjectIdField(), "65A000000000000000000001", "65a000000000000000000001"),
    ],
)
def test_its_key_is_that_of_a_message_with_the_same_value(field: Any, given: Any, key: str) -> None:
    cls = keyed(field)

    assert tombstone(cls, key=given).key == put(cls(k=given), cls).key == key


@pytest.mark.parametrize(
    ("field", "given"),
    [
        (fields.StringField(), 5), (fields.StringField(), b"a"), (fields.StringField(), "a\ud800"),
        (fields.IntField(), 2.9), (fields.IntField(), "x"), (fields.IntField(), [1]),
        (fields.UUIDField(), "no uuid"), (fields.ObjectIdField(), "no id"),
    ],
)  # fmt: skip
def test_a_value_that_no_message_could_have_is_refused(field: Any, given: Any) -> None:
    with pytest.raises(InvalidMessage, match="keyed: k: "):
        tombstone(keyed(field), key=given)


def test_a_class_that_is_not_compacted_has_none() -> None:
    with pytest.raises(InvalidMessage, match="view: Viewed is not compacted, so it has no tombstones"):
        tombstone(Viewed, key="a")


@pytest.mark.parametrize("cls", [EmbeddedDocument, dict, "price", None, price("a", 1)])
def test_what_is_no_message_class_has_none(cls: Any) -> None:
    with pytest.raises(UnknownMessage, match="is no message class"):
        tombstone(cls, key="a")


def test_of_a_class_that_the_outbox_was_not_given_it_is_refused() -> None:
    with pytest.raises(UnknownMessage, match="Price"):
        put(tombstone(Price, key="a"), BasketLine)


@pytest.mark.parametrize(
    ("cls", "given", "wanted"),
    [
        (Price, {}, "takes key, not nothing"),
        (Price, {"key": None}, "takes key, not nothing"),
        (Price, {"key": "a", "sku": "a"}, "takes key, not key, sku"),
        (BasketLine, {"key": "o1"}, "takes key and line_id, not key"),
        (BasketLine, {"line_id": 7}, "takes key and line_id, not line_id"),
        (BasketLine, {"key": "o1", "line": 7}, "takes key and line_id, not key, line"),
    ],
)
def test_it_is_made_of_all_that_it_needs_and_no_more(cls: Any, given: dict[str, Any], wanted: str) -> None:
    with pytest.raises(InvalidMessage, match=wanted):
        tombstone(cls, **given)


def test_one_of_a_class_without_a_key_takes_none() -> None:
    @message("keyless", compact="line_id")
    class Keyless(EmbeddedDocument):
        line_id = fields.StringField()

    record = put(tombstone(Keyless, line_id="7"), Keyless)

    assert (record.key, record.headers) == (None, {"compaction-id": "7"})
    with pytest.raises(InvalidMessage, match="takes line_id, not key, line_id"):
        tombstone(Keyless, key="o1", line_id="7")


def test_a_class_whose_key_is_named_key_is_compacted_by_it() -> None:
    @message("named", key="key", compact=True)
    class Named(EmbeddedDocument):
        key = fields.StringField()

    record = put(tombstone(Named, key="a"), Named)

    assert (record.key, record.headers) == ("a", {})


@pytest.mark.parametrize("id", ["x" * 1025, "a\nb"])
def test_an_id_is_held_to_the_limits_of_keys(id: str) -> None:
    @message("limited", key="k", compact="id")
    class Limited(EmbeddedDocument):
        k = fields.StringField()
        id = fields.StringField()

    with pytest.raises(InvalidMessage, match="limited: (a|the) compaction id"):
        put(tombstone(Limited, key="a", id=id), Limited)
    with pytest.raises(InvalidMessage, match="limited: (a|the) compaction id"):
        put(Limited(k="a", id=id), Limited)
    with pytest.raises(InvalidMessage, match="price: (a|the) key"):
        put(tombstone(Price, key=id))


def test_a_message_without_its_id_is_refused_with_advice() -> None:
    with pytest.raises(InvalidMessage, match=r"line: the compaction id 'data\.line' has no value; give it one"):
        put(BasketLine(order_id="o1"))


def test_its_header_is_nobody_else_s() -> None:
    with pytest.raises(InvalidHeaders, match="'compaction-id' is reserved"):
        put(price("a", 1), headers={"compaction-id": "a"})
    with pytest.raises(InvalidHeaders, match="'compaction-id' is reserved"):
        put(tombstone(BasketLine, key="o1", line_id=7), headers={"compaction-id": "8"})


def test_its_header_is_one_of_those_that_a_message_may_have() -> None:
    most = {f"h{number}": "v" for number in range(HEADERS)}

    put(tombstone(Price, key="a"), headers=most)
    with pytest.raises(InvalidHeaders, match="is one more"):
        put(tombstone(BasketLine, key="o1", line_id=7), headers=most)

"""The letter of a message that the log refuses: what of it is kept, however large or odd it is."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from outbox import Outbox, Record
from outbox.dead_letters.document import dead as dead_letter
from outbox.errors import PoisonMessage
from outbox.log import batch
from outbox.mongo.elements import DOCUMENT, TEXT, Element, document
from outbox.shares.share import key_hash
from tests.actors.order_service import foreign, placed, totals, unchecked


def poison(record: Record[Any]) -> PoisonMessage:
    return PoisonMessage(record.seq, str(record.id), record.type, record.key, "refused", "it is too large")


def test_it_has_the_fields_of_any_letter(orders: Outbox) -> None:
    """Goes red when what the log refuses is written by other code than what a relay puts aside."""
    unchecked(orders, refused := foreign(headers=None))
    orders.put(placed(1), standalone=True)
    orders.sequence()
    [record] = orders.read()

    letter = orders.collections.dead.find_one({"_id": refused["_id"]})

    of_a_relay = dead_letter(record, orders.log.identity(), "relay:kafka", poison(record))
    assert letter is not None
    assert list(letter) == list(of_a_relay)
    assert (letter["log"], letter["hash"]) == (None, key_hash(refused["key"], refused["_id"].binary))


@pytest.mark.parametrize("key", [None, 5, b"5"])
def test_a_message_whose_key_is_no_text_is_of_the_share_of_its_id(orders: Outbox, key: object) -> None:
    unchecked(orders, refused := foreign(key=key, headers=None))

    orders.sequence()

    [letter] = orders.collections.dead.find()
    assert (letter["key"], letter["hash"]) == (key, key_hash(None, refused["_id"].binary))


def test_an_id_that_is_no_object_id_is_kept_as_it_is(orders: Outbox) -> None:
    unchecked(orders, foreign(_id="text"))

    orders.sequence()

    [letter] = orders.collections.dead.find()
    assert (letter["_id"], letter["hash"] > 0) == ("text", True)


def test_the_same_message_refused_again_leaves_one_letter(orders: Outbox) -> None:
    refused = foreign(headers=None)
    for _ in range(2):  # as after a crash between the letter and the delete
        unchecked(orders, refused)
        orders.sequence()

    assert [letter["_id"] for letter in orders.collections.dead.find()] == [refused["_id"]]


def test_a_document_too_large_even_for_the_dead_letters_loses_its_data_but_stalls_nobody(orders: Outbox) -> None:
    """Only past the validator: its limit leaves room for every envelope."""
    document = foreign(data={"note": ""})
    document["data"]["note"] = "x" * (batch.MAX_DOCUMENT - len(bson.encode(document)))
    unchecked(orders, RawBSONDocument(bson.encode(document)))
    orders.put(placed(1), standalone=True)

    assert orders.sequence() == 1
    [letter] = orders.collections.dead.find()
    assert (letter["_id"], letter["data"]) == (document["_id"], None)
    assert "too many to keep" in letter["error"]["reason"]


@pytest.mark.parametrize("name", ["_id", "created", "type", "key", "headers", "data"])
def test_a_field_of_16_mib_leaves_a_letter_without_it_and_stalls_nobody(orders: Outbox, name: str) -> None:
    """Goes red when a letter is made of all there is: larger than a document can be, it stalled the outbox."""
    whole = {**foreign(), "_id": ObjectId(), name: b""}
    raw = {each: bson.encode({each: value})[4:-1] for each, value in whole.items()}
    # No server takes a document whose `_id` is as large as that.
    room = 100_000 if name == "_id" else batch.MAX_DOCUMENT - sum(map(len, raw.values())) - 32
    text = (room - 7).to_bytes(4, "little") + b"x" * (room - 8) + b"\0"
    huge = Element(TEXT, text)
    if name in ("headers", "data"):
        huge = Element(DOCUMENT, document([huge.named(b"h")]))
    unchecked(orders, RawBSONDocument(document({**raw, name: huge.named(name.encode())}.values())))
    orders.put(placed(1), standalone=True)

    assert orders.sequence() == 1
    assert totals(orders.read()) == [1]
    assert orders.collections.staging.count_documents({}) == 0
    [dead] = orders.collections.dead.find()
    assert "to keep" in dead["error"]["reason"]
    assert dead["state"] == "dead"

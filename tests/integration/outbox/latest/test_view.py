"""The view's entries: the newest of each id, whatever is applied twice or late."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from outbox import Outbox, Record, tombstone
from outbox.latest.view import LatestView, id_of
from outbox.log.undecoded import Undecoded
from outbox.mongo.calls import transaction
from tests.actors.catalogue import BasketLine, Price, new_catalogue, price, viewed
from tests.actors.latest_view import entries, number

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]
COMPACTIONS = {"price": "key", "line": "data.line"}


@pytest.fixture
def catalogue(database: Database[Document]) -> Iterator[Outbox]:
    with new_catalogue(database) as outbox:
        yield outbox


def apply(catalogue: Outbox, *records: Record[Any]) -> None:
    view = LatestView(catalogue.collections)
    transaction(catalogue.collections.client, lambda session: view.apply(records, COMPACTIONS, session))


def test_what_was_applied_already_changes_nothing(catalogue: Outbox) -> None:
    number(catalogue, price("a", 1), price("a", 2), tombstone(Price, key="b"), price("b", 2))
    first, second, ended, again = catalogue.read()

    apply(catalogue, first, second, ended, again)
    apply(catalogue, first)
    apply(catalogue, ended)
    apply(catalogue, first, second)

    assert entries(catalogue) == {"price/a": 2, "price/b": 4}


def test_types_that_are_not_compacted_are_left_out(catalogue: Outbox) -> None:
    number(catalogue, viewed("x"), price("a", 1))
    apply(catalogue, *catalogue.read())

    assert entries(catalogue) == {"price/a": 2}


def test_an_entry_is_the_record_as_it_is_stored(catalogue: Outbox) -> None:
    data = {"n": Int64(5), "d": Decimal128("9.90"), "b": Binary(b"x", 128), "l": [None, {"$ref": "a", "$id": 1}]}
    fields = {"type": "price", "key": "a", "headers": {"h": "v"}, "data": data}
    apply(catalogue, Record(7, ObjectId().binary, 2**50, fields))

    [found] = LatestView(catalogue.collections).entries(0, 9, ["price"], lambda type, data, headers: None)
    stored = catalogue.collections.latest.find_one({"_id": "price/a"})
    assert stored is not None
    assert (found.seq, found.created_ms, found.headers) == (7, 2**50, {"h": "v"})
    assert str(stored["data"]) == str(found.data)
    assert stored["data"]["d"] == Decimal128("9.90")


def test_ids_of_two_types_are_two(catalogue: Outbox) -> None:
    number(catalogue, price("7", 1), BasketLine(order_id="7", line_id=7))
    apply(catalogue, *catalogue.read())

    assert entries(catalogue) == {"price/7": 1, "line/7": 2}


def test_a_record_that_cannot_be_decoded_has_no_id() -> None:
    bad = RawBSONDocument(struct.pack("<i", 5) + b"\0")
    fields = Undecoded({"type": "line", "key": "k", "headers": {}, "data": bad}, 1, bytes(12))
    record: Record[Any] = Record(1, ObjectId().binary, 0, fields)

    assert id_of(record, COMPACTIONS) is None

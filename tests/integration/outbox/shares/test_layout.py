"""How many shares a relay has is read from what relays have written, and what is wrong with that is said."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from outbox import Outbox
from outbox.errors import CursorInUse, CursorMismatch
from outbox.log.reader_id import relay_id
from outbox.mongo import patience
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.shares.layout import (
    ShareLayout,
    cancel_request,
    cursors_of,
    documents_of,
    load,
    request_shares,
    share_cursor,
    survey,
)
from outbox.shares.share import Share
from tests.actors.relay_thread import given_cursor

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


def given_share(orders: Outbox, number: int, seq: int, shares: int = 3, **fields: Any) -> None:
    """Makes the cursor of one share of the relay `kafka`, as an earlier process has left it."""
    cursor = {"seq": Int64(seq), "created": None, "id": None, "fence": Int64(1), "shares": Int64(shares), **fields}
    orders.collections.cursors.replace_one({"_id": f"relay:kafka/{number}"}, cursor, upsert=True)


def given_shares(orders: Outbox, *seqs: int, **fields: Any) -> None:
    """Makes as many shares, and the document that says how many they are."""
    layout = {"_id": "relay:kafka", "shares": Int64(len(seqs)), "fence": Int64(1)}
    orders.collections.cursors.insert_one(layout)
    for number, seq in enumerate(seqs, 1):
        given_share(orders, number, seq, len(seqs), **fields)


def given_lease(orders: Outbox) -> None:
    """As of a relay that has worked and ended."""
    lease = Lease(orders.collections.leases, "relay:kafka")
    assert lease.acquire()
    lease.release()


# Reading it


def test_before_the_first_start_there_is_nothing_and_will_be_one_share(orders: Outbox) -> None:
    layout = load(orders.collections, "relay:kafka")

    assert layout == ShareLayout(None, None, (), ())
    assert (layout.total, layout.target, layout.slowest) == (1, None, None)


def test_with_one_share_the_relay_s_document_is_its_cursor(orders: Outbox) -> None:
    given_cursor(orders, 7)

    layout = load(orders.collections, "relay:kafka")

    assert (layout.shares, layout.total, layout.target) == (1, 1, 1)
    assert layout.positions == ((7, None, None),)
    assert layout.slowest == (7, None, None)


def test_with_several_each_has_a_cursor_and_the_slowest_counts(orders: Outbox) -> None:
    given_shares(orders, 9, 4, 6)

    layout = load(orders.collections, "relay:kafka")

    assert (layout.shares, layout.total) == (3, 3)
    assert [each and each[0] for each in layout.positions] == [9, 4, 6]
    assert layout.slowest == (4, None, None)


def test_shares_beyond_nine_stand_in_the_order_of_their_numbers(orders: Outbox) -> None:
    given_shares(orders, *range(11))

    assert [each and each[0] for each in load(orders.collections, "relay:kafka").positions] == list(range(11))


def test_a_share_whose_cursor_is_missing_has_no_position(orders: Outbox) -> None:
    given_shares(orders, 9, 4, 6)
    orders.collections.cursors.delete_one({"_id": "relay:kafka/2"})

    layout = load(orders.collections, "relay:kafka")

    assert [each and each[0] for each in layout.positions] == [9, None, 6]
    assert layout.slowest == (6, None, None)


def test_a_cursor_of_another_number_of_shares_is_none(orders: Outbox) -> None:
    given_shares(orders, 9, 4)
    given_share(orders, 2, 5, shares=3)

    assert [each and each[0] for each in load(orders.collections, "relay:kafka").positions] == [9, None]


def test_what_was_delivered_under_other_numbers_is_told_once(orders: Outbox) -> None:
    given_shares(orders, 9, 4, delivered=[[Int64(5), Int64(6)], [Int64(7)]])

    assert load(orders.collections, "relay:kafka").delivered == ((5, 6), (7,))


def test_cursors_beside_the_plan_are_told(orders: Outbox) -> None:
    given_shares(orders, 9, 4)
    given_share(orders, 3, 1)

    layout = load(orders.collections, "relay:kafka")

    assert layout.strays == ("relay:kafka/3",)
    assert layout.slowest == (4, None, None)


def test_the_fence_that_is_kept_of_a_share_there_was_once_is_no_cursor(orders: Outbox) -> None:
    given_cursor(orders, 7)
    orders.collections.cursors.insert_one({"_id": "relay:kafka/2", "fence": Int64(3)})

    assert load(orders.collections, "relay:kafka").strays == ()


@pytest.mark.parametrize("other", ["relay:kafka2", "relay:kafka/x", "relay:kafkaesque/1", "relay:kaf", "xrelay:kafka"])
def test_another_relay_s_cursor_is_not_its(orders: Outbox, other: str) -> None:
    cursor = {"_id": other, "seq": Int64(1), "created": None, "id": None, "fence": Int64(0)}
    orders.collections.cursors.insert_one(cursor)

    assert load(orders.collections, "relay:kafka") == ShareLayout(None, None, (), ())


def test_a_relay_s_name_is_no_pattern(orders: Outbox) -> None:
    given_cursor(orders, 7)

    assert load(orders.collections, "relay:ka.ka").shares is None
    assert orders.collections.cursors.count_documents(documents_of("relay:.*")) == 0


def test_cursors_are_found_without_the_document_that_has_no_seq(orders: Outbox) -> None:
    given_shares(orders, 9, 4)
    collection = orders.collections.cursors

    assert sorted(each["_id"] for each in collection.find(documents_of("relay:kafka"))) == [
        "relay:kafka",
        "relay:kafka/1",
        "relay:kafka/2",
    ]
    assert sorted(each["_id"] for each in collection.find(cursors_of("relay:kafka"))) == [
        "relay:kafka/1",
        "relay:kafka/2",
    ]


def test_the_store_of_a_share_reads_its_cursor_and_no_other_s(orders: Outbox) -> None:
    given_shares(orders, 9, 4)
    cursors = orders.collections.cursors

    assert share_cursor(cursors, "relay:kafka", Share(2, 2)).load() == (4, None, None)
    assert share_cursor(cursors, "relay:kafka", Share(2, 3)).load() is None
    assert share_cursor(cursors, "relay:other").load() is None


# What is wrong with it


def test_shares_without_the_document_that_says_how_many_are_a_fault_that_names_them(orders: Outbox) -> None:
    given_share(orders, 2, 4)
    given_share(orders, 1, 9)

    with pytest.raises(CursorMismatch, match="'relay:kafka/1', 'relay:kafka/2'.*`relay cursor set`.*forget"):
        load(orders.collections, "relay:kafka")

    found = survey(orders.collections, "relay:kafka")
    assert isinstance(found.fault, CursorMismatch)
    assert (found.shares, sorted(found.strays)) == (None, ["relay:kafka/1", "relay:kafka/2"])


def test_what_is_right_is_told_beside_what_is_wrong(orders: Outbox) -> None:
    given_shares(orders, 9, 4, 6)
    orders.collections.cursors.update_one({"_id": "relay:kafka/2"}, {"$set": {"seq": "x"}})

    found = survey(orders.collections, "relay:kafka")

    assert "'relay:kafka/2'" in str(found.fault)
    assert [each and each[0] for each in found.positions] == [9, None, 6]


@pytest.mark.parametrize("wanted", ["2", 0, 257, 1.5, True, None, ObjectId()])
def test_a_wanted_number_that_is_none_is_a_fault(orders: Outbox, wanted: object) -> None:
    given_cursor(orders, 7)
    orders.collections.leases.insert_one({"_id": "relay:kafka", "wanted": wanted})

    found = survey(orders.collections, "relay:kafka")

    assert "'wanted' of 'relay:kafka'" in str(found.fault)
    assert (found.shares, found.wanted) == (1, None)


# Changing it


@pytest.mark.parametrize("count", [1, 2, 256])
def test_what_is_requested_is_wanted_and_the_target(orders: Outbox, count: int) -> None:
    given_lease(orders)
    given_cursor(orders, 7)

    assert request_shares(orders.collections, "relay:kafka", count)

    layout = load(orders.collections, "relay:kafka")
    assert (layout.shares, layout.wanted, layout.target) == (1, count, count)


def test_a_relay_that_has_not_begun_cannot_be_asked(orders: Outbox) -> None:
    given_lease(orders)

    assert not request_shares(orders.collections, "relay:kafka", 2)

    assert load(orders.collections, "relay:kafka").wanted is None


def test_a_request_is_taken_back(orders: Outbox) -> None:
    given_lease(orders)
    given_cursor(orders, 7)
    request_shares(orders.collections, "relay:kafka", 3)

    cancel_request(orders.collections, "relay:kafka", load(orders.collections, "relay:kafka"))

    assert load(orders.collections, "relay:kafka")[:2] == (1, None)


def test_a_request_is_not_taken_back_by_who_has_seen_what_is_no_more(orders: Outbox) -> None:
    given_lease(orders)
    given_cursor(orders, 7)
    request_shares(orders.collections, "relay:kafka", 3)
    seen = load(orders.collections, "relay:kafka")
    orders.collections.leases.update_one({"_id": "relay:kafka"}, {"$inc": {"plans": Int64(1)}})

    with pytest.raises(CursorInUse, match="the shares of relay 'kafka' have been changed since"):
        cancel_request(orders.collections, "relay:kafka", seen)

    assert load(orders.collections, "relay:kafka").wanted == 3


def test_a_request_is_made_and_seen_outside_the_caller_s_transaction(orders: Outbox) -> None:
    given_lease(orders)
    given_cursor(orders, 7)

    with orders.collections.client.start_session().bind() as session, session.start_transaction():
        assert request_shares(orders.collections, "relay:kafka", 2)
        session.abort_transaction()

    assert load(orders.collections, "relay:kafka").wanted == 2


def test_a_server_that_is_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_seconds", 0.2)
    with MongoClient[Document]("mongodb://127.0.0.1:1") as client:
        nowhere = Collections(client.shop, "outbox")
        for ask in (lambda: load(nowhere, "relay:kafka"), lambda: request_shares(nowhere, "relay:kafka", 2)):
            with pytest.raises(PyMongoError):
                ask()


def test_a_relay_s_name_stands_behind_what_it_is() -> None:
    assert relay_id("kafka") == "relay:kafka"

"""What an outbox says of its durable readers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo.database import Database

from outbox import InvalidName, Outbox, OutboxNotCreated, ReaderShare, ReaderStatus, UnknownReader
from outbox.clock import SystemClock
from outbox.mongo.lease import Lease
from outbox.reader_status import reader
from outbox.shares.cursor_admin import forget, move
from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import new_outbox
from tests.actors.relay_thread import given_cursor, numbered, run_once

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="16 MiB", sequence=False) as orders:
        yield orders


def test_an_outbox_without_readers_has_none(orders: Outbox) -> None:
    assert orders.readers() == []


def test_an_outbox_that_was_never_created_says_so(database: Database[Document]) -> None:
    with Outbox(database, "never") as never, pytest.raises(OutboxNotCreated):
        never.readers()


def test_a_relay_that_has_delivered_all_is_shown_at_the_head(orders: Outbox) -> None:
    numbered(orders, 3)
    run_once(Relay(orders, MemorySink()))

    share = ReaderShare(share=1, position=3, lag=0, holder=None)
    assert orders.readers() == [
        ReaderStatus(
            id="relay:kafka", kind="relay", position=3, head=3, lag=0, shares=1, holder=None,
            paused=False, dead_letters=0, parked=0, of_shares=(share,),
        )
    ]  # fmt: skip


def test_readers_of_every_kind_are_shown_by_id(orders: Outbox) -> None:
    numbered(orders, 3)
    for name in ("relay:kafka", "consumer:billing", "latest:", "archive:main"):
        move(orders.collections, name, 1, SystemClock())

    shown = [(each.id, each.kind, each.position, each.lag) for each in orders.readers()]

    assert shown == [
        ("archive:main", "archive", 1, 2),
        ("consumer:billing", "consumer", 1, 2),
        ("latest:", "latest", 1, 2),
        ("relay:kafka", "relay", 1, 2),
    ]


def test_of_several_shares_the_one_furthest_behind_counts(orders: Outbox) -> None:
    numbered(orders, 9)
    run_once(Relay(orders, MemorySink(), shares=2))
    orders.collections.cursors.update_one({"_id": "relay:kafka/2"}, {"$set": {"seq": Int64(4)}})
    lease = Lease(orders.collections.leases, "relay:kafka/2", owner="here:1:a")
    assert lease.acquire()

    (shown,) = orders.readers()

    assert (shown.id, shown.shares, shown.position, shown.lag, shown.holder) == ("relay:kafka", 2, 4, 5, "here:1:a")
    assert [(each.share, each.position, each.holder) for each in shown.of_shares] == [(1, 9, None), (2, 4, "here:1:a")]


def test_dead_letters_are_counted_for_the_reader_they_are_of(orders: Outbox) -> None:
    given_cursor(orders, 0)
    move(orders.collections, "consumer:billing", 0, SystemClock())
    states = [("relay:kafka", "dead"), ("relay:kafka", "parked"), ("relay:kafka", "parked"), ("sequencer", "dead")]
    orders.collections.dead.insert_many({"_id": ObjectId(), "reader": of, "state": state} for of, state in states)

    assert [(each.id, each.dead_letters, each.parked) for each in orders.readers()] == [
        ("consumer:billing", 0, 0),
        ("relay:kafka", 1, 2),
    ]


def test_one_that_was_forgotten_is_shown_no_more(orders: Outbox) -> None:
    numbered(orders, 2)
    move(orders.collections, "consumer:billing", 1, SystemClock())
    assert forget(orders.collections, "consumer:billing", SystemClock())

    assert orders.readers() == []


def test_a_damaged_cursor_is_shown_with_what_is_wrong_and_the_command_that_mends_it(orders: Outbox) -> None:
    move(orders.collections, "consumer:billing", 0, SystemClock())
    orders.collections.cursors.update_one({"_id": "consumer:billing"}, {"$set": {"seq": "ten"}})

    (shown,) = orders.readers()

    assert (shown.position, shown.lag) == (None, None)
    assert shown.fault is not None
    assert "its field 'seq' is 'ten'" in shown.fault
    assert "`outbox readers APP reset consumer:billing` writes it anew" in shown.fault


def test_documents_that_are_no_reader_s_do_not_count(orders: Outbox) -> None:
    orders.collections.cursors.insert_one({"_id": 5})
    orders.collections.cursors.insert_one({"_id": "relay:kafka", "fence": Int64(3)})
    orders.collections.cursors.delete_one({"_id": "relay:kafka"})

    assert orders.readers() == []


def test_one_reader_is_found_by_its_id(orders: Outbox) -> None:
    given_cursor(orders, 0)

    assert reader(orders.collections, "relay:kafka").id == "relay:kafka"


def test_a_reader_that_has_not_begun_is_unknown_and_those_there_are_are_named(orders: Outbox) -> None:
    given_cursor(orders, 0)

    with pytest.raises(UnknownReader, match=r"no durable reader 'consumer:kafka' that has begun; it has relay:kafka$"):
        reader(orders.collections, "consumer:kafka")


def test_a_share_is_no_reader(orders: Outbox) -> None:
    numbered(orders, 2)
    run_once(Relay(orders, MemorySink(), shares=2))

    with pytest.raises(UnknownReader, match="one share; what is done is done for the whole reader: relay:kafka$"):
        reader(orders.collections, "relay:kafka/2")


def test_what_can_be_no_id_is_refused(orders: Outbox) -> None:
    with pytest.raises(InvalidName, match="'kafka' is no durable reader's id"):
        reader(orders.collections, "kafka")

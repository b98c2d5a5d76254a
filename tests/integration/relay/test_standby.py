"""Two relays: one works, the other takes over, and a stale one changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson import Int64
from pymongo.database import Database

from outbox import Outbox
from outbox.errors import LeaseLost
from outbox.mongo.lease import Lease
from outbox.shares.layout import share_cursor
from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_thread import Relaying, numbered, saved_seq, seqs
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="16 MiB") as outbox:
        yield outbox


def test_the_second_stands_by_and_takes_over_when_the_first_stops(orders: Outbox) -> None:
    first, second = MemorySink(), MemorySink()
    with Relaying(Relay(orders, first)) as one:
        orders.put(placed(1), standalone=True)
        wait_until(lambda: first.records, 30, "the first to work")
        with Relaying(Relay(orders, second)):
            orders.put(placed(1), standalone=True)
            wait_until(lambda: len(first.records) == 2, 30, "the first to go on")
            one.stop()
            orders.put(placed(1), standalone=True)
            wait_until(lambda: second.records, 30, "the second to take over")

    assert (seqs(first), seqs(second)) == ([1, 2], [3])


def test_a_relay_that_died_is_replaced_after_the_lease_time(orders: Outbox) -> None:
    dead = Lease(orders.collections.leases, "relay:kafka", owner="dead")
    assert dead.acquire()
    numbered(orders, 1)
    sink = MemorySink()

    with Relaying(Relay(orders, sink, lease_seconds=1.0)):
        wait_until(lambda: sink.records, 30, "the takeover")

    assert seqs(sink) == [1]


def test_a_relay_that_lost_its_lease_drops_what_is_in_flight_and_saves_nothing(orders: Outbox) -> None:
    numbered(orders, 3)
    sink = MemorySink()
    sink.away = True
    with Relaying(Relay(orders, sink, lease_seconds=2.0)):
        wait_until(lambda: len(sink._queue) == 3, 30, "three in flight")
        orders.collections.leases.update_one(
            {"_id": "relay:kafka"}, {"$set": {"owner": "other"}, "$inc": {"fence": Int64(1)}}
        )
        wait_until(lambda: not sink._queue, 30, "the queue to be dropped")
        assert saved_seq(orders) == 0
        sink.away = False
        wait_until(lambda: saved_seq(orders) == 3, 30, "it to take over again")

    assert seqs(sink) == [1, 2, 3]


def test_a_stale_relay_cannot_save_its_cursor(orders: Outbox) -> None:
    cursors = share_cursor(orders.collections.cursors, "relay:kafka")
    stale, now = (Lease(orders.collections.leases, "relay:kafka", owner=owner) for owner in ("one", "two"))
    assert stale.acquire()
    orders.collections.leases.update_one({"_id": "relay:kafka"}, {"$set": {"owner": None}})
    assert now.acquire()
    cursors.register((1, None, None), now)

    with pytest.raises(LeaseLost):
        cursors.save((2, None, None), stale.fence)
    with pytest.raises(LeaseLost):
        cursors.register((2, None, None), stale)

    assert saved_seq(orders) == 1

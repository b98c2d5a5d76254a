"""Exactly once and taking over: what a fenced relay does, and that a broker that is away is waited for."""

from __future__ import annotations

import pytest

from outbox import Outbox
from outbox.log.reader_id import relay_id
from outbox.mongo.lease import Lease
from relay.testing import MemoryTransactions
from tests.actors.exactly_once import name, relay, seqs
from tests.actors.order_service import foreign
from tests.actors.price_service import put
from tests.actors.relay_thread import Relaying
from tests.waiting import wait_until


def test_one_that_is_fenced_and_has_lost_its_lease_stands_by(
    prices: Outbox, sink: MemoryTransactions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relay")
    with Relaying(relay(prices, sink)) as running:
        put_and_wait(prices, sink, 1)
        other = MemoryTransactions(beside=sink)
        steal(prices)
        other.take_over(name(prices), lambda last: "never")
        put_one(prices)
        wait_until(lambda: "this relay stands by" in caplog.text, 20, "it to notice")
        assert not running.ended
        assert seqs(sink) == [1]


def test_one_that_is_fenced_and_still_has_its_lease_takes_over_again(prices: Outbox, sink: MemoryTransactions) -> None:
    """As when the broker has ended a transaction that took too long."""
    with Relaying(relay(prices, sink)):
        put_and_wait(prices, sink, 1)
        MemoryTransactions(beside=sink).take_over(name(prices), lambda last: "never")
        put_and_wait(prices, sink, 2)

    assert seqs(sink) == [1, 2]


def test_a_broker_that_is_away_when_it_takes_over_is_waited_for(
    prices: Outbox, sink: MemoryTransactions, caplog: pytest.LogCaptureFixture
) -> None:
    put(prices, "a")
    sink.away = True
    with Relaying(relay(prices, sink)) as running:
        wait_until(lambda: "the broker does not answer; again in" in caplog.text, 20, "it to try")
        assert not running.ended
        sink.away = False
        wait_until(lambda: seqs(sink) == [1], 20, "the record")


def put_one(prices: Outbox) -> None:
    prices.collections.staging.insert_one(foreign(type="price.set", key="z", data={"sku": "z", "price": 1.0}))


def put_and_wait(prices: Outbox, sink: MemoryTransactions, seq: int) -> None:
    put_one(prices)
    wait_until(lambda: seqs(sink)[-1:] == [seq], 20, f"record {seq}")


def steal(prices: Outbox) -> None:
    """Another relay takes the lease, as after this one was frozen."""
    prices.collections.leases.update_one({"_id": relay_id("kafka")}, {"$set": {"owner": None}, "$inc": {"beat": 1}})
    other = Lease(prices.collections.leases, relay_id("kafka"), owner="other")
    assert other.acquire()

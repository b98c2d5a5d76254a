"""Whatever a relay waits for, it keeps its lease: nobody takes over from one that lives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from outbox import Outbox
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.ports import Outgoing
from outbox.errors import Verdict
from outbox.mongo.lease import Lease, read_lease
from relay import Relay
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.relay_thread import Relaying, numbered, saved_seq, seqs
from tests.waiting import wait_until

LEASE_SECONDS = 1.0


def document(orders: Outbox) -> dict[str, Any]:
    return read_lease(orders.collections.leases, "relay:kafka") or {"beat": 0, "fence": 0, "seconds": 0}


def wait_three_lease_times(orders: Outbox) -> None:
    """As its own beats count them; another tries to take the lease all the while."""
    enough = document(orders)["beat"] + 9
    waiter = Lease(orders.collections.leases, "relay:kafka", seconds=LEASE_SECONDS)
    wait_until(lambda: waiter.acquire() or document(orders)["beat"] >= enough, 60, "nine beats")


class SlowSink(MemorySink):
    """Takes its time, once in each of its calls."""

    def __init__(self, orders: Outbox, call: str) -> None:
        super().__init__()
        self._orders = orders
        self._call = call

    def _wait(self, call: str) -> None:
        if call == self._call:
            self._call = ""
            wait_three_lease_times(self._orders)

    def send(self, batch: Sequence[Outgoing]) -> int:
        self._wait("send")
        return super().send(batch)

    def poll(self, seconds: float) -> None:
        self._wait("poll")
        super().poll(seconds)

    def open(self, acknowledged: Any) -> None:
        self._wait("open")
        super().open(acknowledged)


@pytest.mark.parametrize("call", ["open", "send", "poll"])
def test_a_sink_that_takes_three_lease_times_costs_no_lease(orders: Outbox, call: str) -> None:
    """Goes red when the pump renews its lease between two steps."""
    numbered(orders, 3)
    sink = SlowSink(orders, call)

    with Relaying(Relay(orders, sink, lease_seconds=LEASE_SECONDS)):
        wait_until(lambda: saved_seq(orders) == 3, 90, "all to be delivered")
        assert document(orders)["fence"] == 1

    assert seqs(sink) == [1, 2, 3]


def test_a_dead_letter_that_takes_three_lease_times_to_keep_costs_no_lease(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered(orders, 3)
    sink = MemorySink()
    sink.refused = {2: Verdict.POISON}
    add = DeadLetterStore.add

    def slowly(*arguments: Any) -> None:
        wait_three_lease_times(orders)
        add(*arguments)

    monkeypatch.setattr(DeadLetterStore, "add", slowly)
    with Relaying(Relay(orders, sink, on_poison="dead-letter", lease_seconds=LEASE_SECONDS)):
        wait_until(lambda: saved_seq(orders) == 3, 90, "all to be delivered")
        assert document(orders)["fence"] == 1

    assert seqs(sink) == [1, 3]


class Watched(MemoryTransactions):
    """Notes the lease time while a transaction is being taken over."""

    def __init__(self, orders: Outbox) -> None:
        super().__init__()
        self._orders = orders
        self.seconds: list[float] = []

    def take_over(self, name: str, cursor: Any) -> str | None:
        self.seconds.append(document(self._orders)["seconds"])
        return super().take_over(name, cursor)


def test_whoever_takes_a_transaction_over_has_its_lease_for_longer_meanwhile(orders: Outbox) -> None:
    numbered(orders, 1)
    sink = Watched(orders)

    with Relaying(Relay(orders, sink)):
        wait_until(lambda: saved_seq(orders) == 1, 60, "it to be delivered")
        wait_until(lambda: document(orders)["seconds"] == 3, 60, "the usual lease time again")

    assert min(sink.seconds) >= 15

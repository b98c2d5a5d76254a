"""A paused reader sends nothing and keeps its lease; when it goes on, nothing is missing and nothing comes twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.dead_letters.admin import Selection
from outbox.delivery import worker as delivery
from outbox.errors import ReaderPaused
from outbox.mongo.lease import Lease
from outbox.shares.paused import set_paused
from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import new_outbox, placed
from tests.actors.price_service import dead_letter_admin, refuse, states
from tests.actors.relay_thread import SHARES, Relaying, numbered, run_once, seqs
from tests.waiting import wait_until

KAFKA = "relay:kafka"
LEASE_SECONDS = 1.0

pytestmark = pytest.mark.usefixtures("soon")


@pytest.fixture
def orders(database: Database[dict[str, Any]]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="16 MiB") as outbox:
        yield outbox


def relay(orders: Outbox, sink: MemorySink, shares: int | None = None, **options: Any) -> Relay:
    return Relay(orders, sink, shares=shares, lease_seconds=LEASE_SECONDS, **options)


def holders(orders: Outbox) -> dict[str, tuple[str | None, int]]:
    """Owner and fence of each lease of the relay that was ever held."""
    found = orders.collections.leases.find({"_id": {"$regex": "^relay:kafka"}, "fence": {"$gt": 0}})
    return {each["_id"]: (each["owner"], each["fence"]) for each in found}


class Pausing:
    """Pauses the relay, and waits until each worker stands still."""

    def __init__(self, orders: Outbox, caplog: pytest.LogCaptureFixture, workers: int) -> None:
        caplog.set_level("INFO", "relay")
        self._orders = orders
        self._caplog = caplog
        self._workers = workers

    def pause(self) -> None:
        before = self._said("paused: it keeps its lease")
        assert set_paused(self._orders.collections, KAFKA, True)
        wait_until(lambda: self._said("paused: it keeps its lease") == before + self._workers, 60, "the pause")

    def resume(self) -> None:
        assert set_paused(self._orders.collections, KAFKA, False)

    def _said(self, text: str) -> int:
        return sum(text in record.getMessage() for record in self._caplog.records)


@SHARES
def test_a_pause_while_messages_flow_loses_nothing_repeats_nothing_and_keeps_the_order_of_each_key(
    orders: Outbox, sink: MemorySink, shares: int, caplog: pytest.LogCaptureFixture
) -> None:
    pausing, total = Pausing(orders, caplog, shares), 0
    with Relaying(relay(orders, sink, shares)):
        for _ in range(3):
            orders.put([placed(n, f"k{n % 7}") for n in range(total, total + 40)], standalone=True)
            total += 40
            wait_until(lambda: sink.records, 60, "the relay to work")
            pausing.pause()
            stands_at = len(sink.records)
            saved = sum(each.position or 0 for each in orders.readers()[0].of_shares)
            orders.put([placed(n, f"k{n % 7}") for n in range(total, total + 40)], standalone=True)
            total += 40
            wait_until(lambda total=total: orders.log.head() == total, 60, "all to be in the log")  # type: ignore[misc]
            assert len(sink.records) == stands_at
            assert sum(each.position or 0 for each in orders.readers()[0].of_shares) == saved
            pausing.resume()
            wait_until(lambda total=total: len(sink.records) >= total, 60, "what had waited")  # type: ignore[misc]

    assert sorted(seqs(sink)) == list(range(1, total + 1))
    of_key = defaultdict(list)
    for record in sink.records:
        of_key[record.key].append(record.seq)
    assert len(of_key) == 7
    assert all(found == sorted(found) for found in of_key.values())


@SHARES
def test_a_paused_relay_keeps_its_leases_and_goes_on_with_them(
    orders: Outbox, sink: MemorySink, shares: int, caplog: pytest.LogCaptureFixture
) -> None:
    with Relaying(relay(orders, sink, shares)):
        pausing = Pausing(orders, caplog, shares)
        orders.put(placed(1), standalone=True)
        wait_until(lambda: seqs(sink) == [1], 60, "the relay to work")
        wait_until(lambda: [owner for owner, _ in holders(orders).values()].count(None) == (shares > 1), 60, "leases")
        before = holders(orders)
        pausing.pause()
        beats = {"_id": {"$regex": "^relay:kafka"}}
        seen = {each["_id"]: each["beat"] for each in orders.collections.leases.find(beats)}
        wait_until(
            lambda: all(
                each["beat"] > seen[each["_id"]] or each["owner"] is None
                for each in orders.collections.leases.find(beats)
            ),
            60,
            "beats of every lease while it is paused",
        )
        pausing.resume()
        orders.put(placed(2), standalone=True)
        wait_until(lambda: seqs(sink) == [1, 2], 60, "the relay to go on")

        assert holders(orders) == before


@SHARES
def test_a_pause_outlives_the_process(
    orders: Outbox, sink: MemorySink, shares: int, caplog: pytest.LogCaptureFixture
) -> None:
    numbered(orders, 1)
    run_once(relay(orders, sink, shares))
    set_paused(orders.collections, KAFKA, True)
    numbered(orders, 1)
    with Relaying(relay(orders, sink)):
        pausing = Pausing(orders, caplog, shares)
        pausing.pause()
        assert seqs(sink) == [1]
        pausing.resume()
        wait_until(lambda: seqs(sink) == [1, 2], 60, "what had waited")


def test_a_paused_relay_that_is_stopped_ends_at_once_and_gives_its_lease_back(
    orders: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    numbered(orders, 1)
    run_once(relay(orders, MemorySink()))
    with Relaying(relay(orders, MemorySink())) as relaying:
        Pausing(orders, caplog, 1).pause()
        relaying.stop()

    assert holders(orders)[KAFKA][0] is None


def test_requeued_letters_wait_for_the_end_of_the_pause_too(orders: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    numbered(orders, 2)
    sink = MemorySink()
    refuse(sink, 1)
    run_once(relay(orders, sink, on_poison="dead-letter"))
    refuse(sink)
    set_paused(orders.collections, KAFKA, True)
    dead_letter_admin(orders).requeue(Selection())
    with Relaying(relay(orders, sink, on_poison="dead-letter")):
        pausing = Pausing(orders, caplog, 1)
        pausing.pause()
        assert (seqs(sink), states(orders)) == ([2], {1: "dead"})
        pausing.resume()
        wait_until(lambda: seqs(sink) == [2, 1], 60, "the letter")


def test_a_relay_whose_broker_is_away_hears_of_a_pause(orders: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    numbered(orders, 1)
    run_once(relay(orders, MemorySink()))
    sink = MemorySink()
    sink.away = True
    with Relaying(relay(orders, sink, chance=lambda: 0.0)):
        orders.put(placed(1), standalone=True)
        Pausing(orders, caplog, 1).pause()


def test_a_pause_that_was_taken_out_by_hand_is_seen(
    orders: Outbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LOOK_SECONDS", 0.2)
    numbered(orders, 1)
    sink = MemorySink()
    run_once(relay(orders, sink))
    with Relaying(relay(orders, sink)):
        Pausing(orders, caplog, 1).pause()
        orders.collections.cursors.update_one({"_id": KAFKA}, {"$unset": {"paused": 1}})
        orders.put(placed(1), standalone=True)
        wait_until(lambda: seqs(sink) == [1, 2], 60, "the relay to go on")


@SHARES
def test_once_ends_with_what_to_do_when_the_relay_is_paused(orders: Outbox, sink: MemorySink, shares: int) -> None:
    numbered(orders, 1)
    run_once(relay(orders, sink, shares))
    set_paused(orders.collections, KAFKA, True)
    numbered(orders, 1)

    with pytest.raises(ReaderPaused, match=r"relay 'kafka' of .* is paused, .*`relay resume --name kafka` lets it go"):
        run_once(relay(orders, sink))

    assert seqs(sink) == [1]
    assert all(owner is None for owner, _ in holders(orders).values())


def test_once_that_stands_by_for_a_paused_relay_ends_too(orders: Outbox) -> None:
    numbered(orders, 1)
    run_once(relay(orders, MemorySink()))
    set_paused(orders.collections, KAFKA, True)
    holder = Lease(orders.collections.leases, KAFKA, owner="elsewhere:1:a", seconds=1000)
    assert holder.acquire()

    with pytest.raises(ReaderPaused), Relaying(relay(orders, MemorySink()), once=True) as relaying:
        wait_until(lambda: relaying.ended, 20, "the relay to end")

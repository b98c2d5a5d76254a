"""A relay that has begun does not begin anew: whatever is removed of its cursors, it stops; `start` plays no part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.log.reader_id import relay_id
from outbox.mongo.lease import Lease
from outbox.shares.cursor_admin import forget, move
from outbox.shares.layout import load, request_shares
from relay import Relay
from relay.errors import CursorMismatch
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.order_service import placed
from tests.actors.relay_thread import SHARES, Relaying, numbered, run_once, seqs
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("soon")


Document = dict[str, Any]
LEASE_SECONDS = 1.0


def relay(orders: Outbox, sink: MemorySink, shares: int | None = None, start: Any = "latest") -> Relay:
    return Relay(orders, sink, shares=shares, start=start, lease_seconds=LEASE_SECONDS, chance=lambda: 0.0)


def put(orders: Outbox, count: int) -> None:
    """Into several keys."""
    orders.put([placed(n, f"k{n}") for n in range(count)], standalone=True)
    orders.sequence()


def begun(orders: Outbox, shares: int) -> bool:
    layout = load(orders.collections, "relay:kafka")
    return layout.shares == shares and None not in layout.positions


def remove(orders: Outbox, *names: str) -> None:
    """With mongosh; of all there is, unless names are given."""
    orders.collections.cursors.delete_many({"_id": {"$in": names}} if names else {})


def stops(
    orders: Outbox, sink: MemorySink, shares: int, change: Callable[[], object], match: str | None = None
) -> None:
    """A running relay whose backlog is not sent yet stops at the change, and sends nothing of what comes."""
    running = Relaying(relay(orders, sink, shares))
    with pytest.raises(CursorMismatch, match=match), running:  # noqa: PT012  # it is the end of `running` that raises
        wait_until(lambda: begun(orders, shares), 30, "the first start")
        put(orders, 20)
        wait_until(lambda: len(seqs(sink)) == 20, 30, "some to be delivered")
        sink.away = True
        put(orders, 20)
        change()
        sink.away = False
        put(orders, 20)
        wait_until(lambda: running.ended, 60, "the relay to stop")
    assert set(range(1, 21)) <= set(seqs(sink))


@SHARES
def test_a_running_relay_whose_cursors_are_all_removed_stops(orders: Outbox, sink: MemorySink, shares: int) -> None:
    stops(orders, sink, shares, lambda: remove(orders))
    assert list(orders.collections.cursors.find()) == []


@SHARES
@pytest.mark.parametrize("wanted", [None, 4])
def test_between_two_attempts_it_is_not_forgotten_that_there_was_a_cursor(
    orders: Outbox, sink: MemorySink, shares: int, wanted: int | None
) -> None:
    one = relay(orders, sink, shares)
    run_once(one)
    remove(orders)
    if wanted is not None:
        orders.collections.leases.update_one({"_id": "relay:kafka"}, {"$set": {"wanted": wanted}})
    put(orders, 5)

    with pytest.raises(CursorMismatch):
        run_once(one)

    assert seqs(sink) == []


@SHARES
def test_a_running_relay_stops_when_the_collection_of_cursors_is_dropped(
    orders: Outbox, sink: MemorySink, shares: int
) -> None:
    stops(orders, sink, shares, orders.collections.cursors.drop)


def test_a_running_relay_stops_when_the_cursor_of_one_share_is_removed(orders: Outbox, sink: MemorySink) -> None:
    """Goes red when the share takes its own missing cursor for another's work: it would try again for ever."""
    stops(orders, sink, 3, lambda: remove(orders, "relay:kafka/2"), "'kafka/2' was removed")


def test_a_running_relay_stops_when_it_is_forgotten_how_many_shares_there_are(orders: Outbox, sink: MemorySink) -> None:
    stops(orders, sink, 3, lambda: remove(orders, "relay:kafka"))


@SHARES
def test_one_that_stood_by_while_the_cursors_were_removed_stops_when_its_turn_comes(
    orders: Outbox, sink: MemorySink, shares: int
) -> None:
    run_once(relay(orders, sink, shares))
    names = ["kafka"] if shares == 1 else ["kafka", *(f"kafka/{n}" for n in range(1, shares + 1))]
    held = [Lease(orders.collections.leases, relay_id(name)) for name in names]
    assert all(each.acquire() for each in held)
    running = Relaying(relay(orders, sink))

    with pytest.raises(CursorMismatch), running:  # noqa: PT012  # it is the end of `running` that raises
        wait_until(lambda: running.knows_of_a_cursor, 30, "it to have seen the cursor")
        remove(orders)
        put(orders, 5)
        for each in held:
            each.release()
        wait_until(lambda: running.ended, 60, "the relay to stop")

    assert seqs(sink) == []


@pytest.mark.parametrize("missing", [["relay:kafka"], ["relay:kafka", "relay:kafka/1"]])
def test_cursors_of_shares_without_their_number_are_no_first_start(
    orders: Outbox, sink: MemorySink, missing: list[str]
) -> None:
    run_once(relay(orders, sink, 2))
    put(orders, 5)
    remove(orders, *missing)

    for shares in (None, 2, 3):
        with pytest.raises(CursorMismatch, match="has no document 'relay:kafka' any more"):
            run_once(relay(orders, sink, shares))

    move(orders.collections, "relay:kafka", 3, SystemClock())
    run_once(relay(orders, sink))
    assert seqs(sink) == [4, 5]
    assert [each.reader for each in orders.status().cursors] == ["relay:kafka"]


def test_cursors_of_shares_without_their_number_can_be_forgotten(orders: Outbox, sink: MemorySink) -> None:
    run_once(relay(orders, sink, 2))
    remove(orders, "relay:kafka")

    assert forget(orders.collections, "relay:kafka", SystemClock())

    assert orders.status().cursors == ()


def test_what_was_wanted_is_forgotten_with_the_cursors(orders: Outbox, sink: MemorySink) -> None:
    run_once(relay(orders, sink, 2))
    request_shares(orders.collections, "relay:kafka", 4)

    forget(orders.collections, "relay:kafka", SystemClock())

    assert load(orders.collections, "relay:kafka").wanted is None


# ---- a first start, and what Kafka knows of an earlier one


@pytest.mark.parametrize("before", [None, 3])
@pytest.mark.parametrize("after", [None, 2])
def test_a_first_start_of_any_number_of_shares_sees_what_those_before_have_left_in_kafka(
    orders: Outbox, before: int | None, after: int | None
) -> None:
    """Goes red when a relay looks for a cursor under its own name only: all would be sent once more."""
    sink = MemoryTransactions()
    run_once(relay(orders, sink, before))
    put(orders, 20)
    run_once(relay(orders, sink))
    forget(orders.collections, "relay:kafka", SystemClock())

    with pytest.raises(CursorMismatch, match="the outbox has none.* `relay cursor set [0-9]+` goes on after it"):
        run_once(relay(orders, sink, after, "beginning"))

    move(orders.collections, "relay:kafka", 20, SystemClock())
    numbered(orders, 1)
    run_once(relay(orders, sink))
    assert sorted(seqs(sink)) == list(range(1, 22))


def test_the_cursors_of_a_relay_of_another_name_do_not_count(orders: Outbox) -> None:
    sink = MemoryTransactions()
    for other in ("kafk", "kafka2", "kafka/x", "kafka/1/2"):
        sink.cursors[f"{orders.collections.database.name}.outbox/{other}"] = b"{}"
    put(orders, 1)

    run_once(relay(orders, sink, start="beginning"))

    assert seqs(sink) == [1]


def test_one_that_goes_over_to_exactly_once_after_it_was_forgotten_stops_too(orders: Outbox) -> None:
    transactions = MemoryTransactions()
    run_once(relay(orders, transactions, 2))
    put(orders, 3)
    run_once(relay(orders, transactions))
    plain = MemorySink()
    run_once(relay(orders, plain))
    forget(orders.collections, "relay:kafka", SystemClock())

    with pytest.raises(CursorMismatch, match="Kafka has a cursor"):
        run_once(relay(orders, transactions))

"""Whoever freezes in the middle of a change to cursors, and thaws when others have worked, changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson import Int64

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.errors import LeaseLost
from outbox.log.cursors import CursorStore
from outbox.log.reader_id import relay_id
from outbox.mongo.lease import Lease
from outbox.shares import cursor_admin, layout
from outbox.shares.layout import load, request_shares, share_cursor
from outbox.shares.lock import ReaderLock
from relay import Relay
from relay.errors import CursorInUse
from relay.testing import MemorySink
from tests.actors.order_service import placed
from tests.actors.relay_thread import SHARES, run_once, seqs

pytestmark = pytest.mark.usefixtures("soon")


Document = dict[str, Any]


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


def put(orders: Outbox, count: int) -> None:
    orders.put([placed(n, f"k{n % 9}") for n in range(count)], standalone=True)
    orders.sequence()


def relay(orders: Outbox, sink: MemorySink, shares: int | None = None, **options: Any) -> Relay:
    return Relay(orders, sink, shares=shares, lease_seconds=1.0, chance=lambda: 0.0, **options)


def cursors(orders: Outbox) -> dict[str, Document]:
    return {each["_id"]: each for each in orders.collections.cursors.find()}


def assert_as_before(orders: Outbox, before: dict[str, Document]) -> None:
    """A claim may have raised a fence, which is no more than that somebody holds the lease."""
    now = cursors(orders)
    assert [(id, each.get("seq"), each.get("shares")) for id, each in now.items()] == [
        (id, each.get("seq"), each.get("shares")) for id, each in before.items()
    ]
    assert all(now[id]["fence"] >= each["fence"] for id, each in before.items())


class Frozen:
    """Before a step, everybody takes the process for dead: its leases are free, and `meanwhile` is done."""

    def __init__(self, orders: Outbox, meanwhile: Callable[[], object]) -> None:
        self._orders = orders
        self._meanwhile = meanwhile
        self.happened = False

    def before(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        method = getattr(owner, name)

        def frozen(*arguments: Any, **named: Any) -> Any:
            if not self.happened:
                self.happened = True
                self._orders.collections.leases.update_many({}, {"$set": {"owner": None}})
                self._meanwhile()
                self.cursors = cursors(self._orders)
            return method(*arguments, **named)

        monkeypatch.setattr(owner, name, frozen)


def works(orders: Outbox, sink: MemorySink, shares: int | None = None) -> Callable[[], None]:
    def work() -> None:
        put(orders, 10)
        run_once(relay(orders, sink, shares))

    return work


COMMANDS = pytest.mark.parametrize(
    "command",
    [
        lambda orders: cursor_admin.move(orders.collections, "relay:kafka", 5, SystemClock()),
        lambda orders: cursor_admin.forget(orders.collections, "relay:kafka", SystemClock()),
    ],
    ids=["set", "forget"],
)


@SHARES
@COMMANDS
@pytest.mark.parametrize("step", ["claim", "_hold"])
def test_a_frozen_command_changes_no_cursor_of_a_relay_that_works(
    orders: Outbox,
    sink: MemorySink,
    monkeypatch: pytest.MonkeyPatch,
    shares: int,
    command: Callable[[Outbox], object],
    step: str,
) -> None:
    """Goes red when a cursor that could not be claimed is taken for one that is not there."""
    put(orders, 20)
    run_once(relay(orders, sink, shares))
    frozen = Frozen(orders, works(orders, sink))
    frozen.before(monkeypatch, ReaderLock, step)

    with pytest.raises(CursorInUse):
        command(orders)

    assert_as_before(orders, frozen.cursors)
    put(orders, 5)
    run_once(relay(orders, sink))
    assert sorted(seqs(sink)) == list(range(1, 36))


@pytest.mark.parametrize("step", ["claim", "_hold"])
@pytest.mark.parametrize(("first", "then"), [(1, 3), (3, 2), (2, 1)])
def test_a_frozen_change_of_shares_changes_nothing(
    orders: Outbox, sink: MemorySink, monkeypatch: pytest.MonkeyPatch, step: str, first: int, then: int
) -> None:
    put(orders, 20)
    run_once(relay(orders, sink, first))
    request_shares(orders.collections, "relay:kafka", then)

    def meanwhile() -> None:
        run_once(relay(orders, sink))  # which makes the change itself
        request_shares(orders.collections, "relay:kafka", 5)
        put(orders, 10)
        run_once(relay(orders, sink))

    frozen = Frozen(orders, meanwhile)
    frozen.before(monkeypatch, ReaderLock, step)

    run_once(relay(orders, sink))

    assert_as_before(orders, frozen.cursors)
    assert load(orders.collections, "relay:kafka").shares == 5
    assert sorted(seqs(sink)) == list(range(1, 31))


def test_a_first_start_that_froze_leaves_no_cursor_where_one_was_forgotten_meanwhile(orders: Outbox) -> None:
    """Goes red when the first cursor is written without a look at the lease: it would hold the log for ever."""
    put(orders, 5)

    lease = Lease(orders.collections.leases, relay_id("kafka"))
    assert lease.acquire()
    orders.collections.leases.update_many({}, {"$set": {"owner": None}})
    run_once(relay(orders, MemorySink()))
    cursor_admin.forget(orders.collections, "relay:kafka", SystemClock())

    with pytest.raises(LeaseLost):
        share_cursor(orders.collections.cursors, "relay:kafka").register((0, None, None), lease)

    assert cursors(orders) == {}


def test_a_first_start_that_froze_does_not_overwrite_the_first_cursor_of_another(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(orders, 5)
    others, own = MemorySink(), MemorySink()
    frozen = Frozen(orders, lambda: run_once(relay(orders, others, 2)))
    frozen.before(monkeypatch, CursorStore, "register")

    run_once(relay(orders, own, start="latest"))

    assert frozen.cursors
    assert (len(seqs(others)), seqs(own)) == (5, [])
    assert load(orders.collections, "relay:kafka").shares == 2


def test_a_wish_for_shares_that_froze_is_refused_when_they_were_changed_meanwhile(
    orders: Outbox, sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(orders, 5)
    run_once(relay(orders, sink, 2))
    frozen = Frozen(orders, lambda: cursor_admin.forget(orders.collections, "relay:kafka", SystemClock()))
    frozen.before(monkeypatch, layout, "_change")

    with pytest.raises(CursorInUse, match="have been changed since"):
        request_shares(orders.collections, "relay:kafka", 4)

    assert load(orders.collections, "relay:kafka").wanted is None


def test_a_wish_is_called_off_only_while_it_is_that_one(orders: Outbox, sink: MemorySink) -> None:
    put(orders, 5)
    run_once(relay(orders, sink, 2))
    request_shares(orders.collections, "relay:kafka", 3)
    seen = load(orders.collections, "relay:kafka")
    run_once(relay(orders, sink))
    request_shares(orders.collections, "relay:kafka", 2)

    with pytest.raises(CursorInUse):
        layout.cancel_request(orders.collections, "relay:kafka", seen)

    assert load(orders.collections, "relay:kafka")[:2] == (3, 2)


def test_a_command_that_is_refused_has_given_its_leases_back(
    orders: Outbox, sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(orders, 5)
    run_once(relay(orders, sink, 2))
    Frozen(orders, works(orders, sink)).before(monkeypatch, ReaderLock, "claim")
    with pytest.raises(CursorInUse):
        cursor_admin.move(orders.collections, "relay:kafka", 1, SystemClock())

    assert cursor_admin.move(orders.collections, "relay:kafka", 3, SystemClock())[1][0] == 3

    assert orders.collections.cursors.count_documents({"fence": {"$lt": Int64(1)}}) == 0

"""Who has the lock of a relay alone changes its cursors, all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Int64, ObjectId

from outbox import Outbox
from outbox.errors import CursorInUse, LeaseLost
from outbox.log.position import Position
from outbox.mongo.lease import Lease, read_lease
from outbox.shares.layout import load, request_shares, survey
from outbox.shares.lock import ReaderLock
from outbox.testing import FakeClock
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]
POSITION: Position = (7, datetime(2025, 1, 1, tzinfo=UTC), ObjectId("65a000000000000000000001"))
Take = Callable[..., ReaderLock]


@pytest.fixture
def take(orders: Outbox) -> Iterator[Take]:
    """Takes all of a relay, for as many shares; it is given back with the test."""
    locks: list[ReaderLock] = []

    def take(target: int = 1) -> ReaderLock:
        locks.append(ReaderLock(orders.collections, "relay:kafka"))
        layout = locks[-1].lock()
        assert layout is not None
        assert locks[-1].lock_shares(layout, target) is None
        locks[-1].claim()
        return locks[-1]

    yield take
    for lock in locks:
        lock.release()


def written(take: Take, count: int, position: Position = POSITION) -> None:
    """Has the relay made `count` shares, and ended."""
    lock = take(count)
    lock.write(count, position, ())
    lock.release()


def cursors(orders: Outbox) -> dict[str, Document]:
    return {each["_id"]: each for each in orders.collections.cursors.find()}


def owners(orders: Outbox) -> dict[str, object]:
    held = orders.collections.leases.find({"_id": {"$regex": "^relay:"}})
    return {each["_id"]: each["owner"] for each in held}


def beat_of(orders: Outbox, role: str) -> int:
    return int((read_lease(orders.collections.leases, role) or {"beat": 0})["beat"])


def taken_by_another(orders: Outbox, role: str = "relay:kafka") -> Lease:
    """Somebody takes the holder for dead, and its lease."""
    orders.collections.leases.update_one({"_id": role}, {"$set": {"owner": None}})
    lease = Lease(orders.collections.leases, role)
    assert lease.acquire()
    return lease


# Taking it


def test_the_relay_s_own_lease_is_had_by_one_at_a_time(orders: Outbox) -> None:
    first, second = ReaderLock(orders.collections, "relay:kafka"), ReaderLock(orders.collections, "relay:kafka")

    assert first.lock() is not None
    assert second.lock() is None
    first.release()
    assert second.lock() is not None
    second.release()


def test_two_relays_can_be_locked_at_once(orders: Outbox, take: Take) -> None:
    take()

    other = ReaderLock(orders.collections, "relay:other")

    assert other.lock() is not None
    other.release()


def test_the_leases_of_the_shares_there_are_and_of_those_there_will_be_are_taken(orders: Outbox, take: Take) -> None:
    written(take, 2)

    lock = take(3)

    assert len(set(owners(orders).values())) == 1
    assert owners(orders).keys() == {"relay:kafka", "relay:kafka/1", "relay:kafka/2", "relay:kafka/3"}
    assert all(lock.lease(role).fence for role in owners(orders))


def test_a_share_that_somebody_else_works_on_is_named_and_the_rest_is_kept(orders: Outbox, take: Take) -> None:
    written(take, 3)
    worker = Lease(orders.collections.leases, "relay:kafka/2")
    assert worker.acquire()
    lock = ReaderLock(orders.collections, "relay:kafka")
    layout = lock.lock()
    assert layout is not None

    assert lock.lock_shares(layout) == "relay:kafka/2"
    worker.release()
    fence = lock.lease("relay:kafka/1").fence
    assert lock.lock_shares(layout) is None

    assert lock.lease("relay:kafka/1").fence == fence
    lock.release()


def test_a_lock_that_is_given_back_is_given_back_whole(orders: Outbox, take: Take) -> None:
    take(3).release()

    assert len(owners(orders)) == 4
    assert set(owners(orders).values()) == {None}


def test_a_lease_that_was_lost_is_seen(orders: Outbox) -> None:
    lock = ReaderLock(orders.collections, "relay:kafka")
    assert lock.lock() is not None
    lock.check()
    taken_by_another(orders).release()

    def checked() -> bool:
        try:
            lock.check()
        except LeaseLost:
            return True
        return False

    wait_until(checked, 30, "the heartbeat to find it lost")


def test_what_is_held_is_beaten_for_while_the_rest_is_waited_for(orders: Outbox, take: Take) -> None:
    written(take, 2)
    worker = Lease(orders.collections.leases, "relay:kafka/2", seconds=600)
    assert worker.acquire()
    lock = ReaderLock(orders.collections, "relay:kafka")
    layout = lock.lock()
    assert layout is not None

    assert lock.lock_shares(layout) == "relay:kafka/2"
    for role in ("relay:kafka", "relay:kafka/1"):
        held = lock.lease(role)
        before = beat_of(orders, role)
        wait_until(lambda role=role, before=before: beat_of(orders, role) >= before + 3, 30, "beats")
        held.check()

    lock.release()
    worker.release()


# Changing cursors under it


def test_one_share_s_cursor_is_the_relay_s_document(orders: Outbox, take: Take) -> None:
    take().write(1, POSITION, ())

    [cursor] = cursors(orders).values()
    assert (cursor["_id"], cursor["seq"], cursor["created"], cursor["id"]) == ("relay:kafka", *POSITION)
    assert "shares" not in cursor
    assert load(orders.collections, "relay:kafka").positions == (POSITION,)


def test_all_shares_go_on_after_the_same_position(orders: Outbox, take: Take) -> None:
    take(3).write(3, POSITION, ((5, 6),))

    layout = load(orders.collections, "relay:kafka")
    assert (layout.shares, layout.positions, layout.delivered) == (3, (POSITION,) * 3, ((5, 6),))


def test_of_a_share_that_is_no_more_the_fence_is_kept_and_no_cursor(orders: Outbox, take: Take) -> None:
    written(take, 2)

    take(1).write(1, POSITION, ())

    found = cursors(orders)
    assert load(orders.collections, "relay:kafka").shares == 1
    assert found["relay:kafka/2"].keys() == {"_id", "fence", "updated"}
    assert found["relay:kafka/2"]["fence"] == 2


@pytest.mark.parametrize("lost", ["relay:kafka", "relay:kafka/1", "relay:kafka/2"])
@pytest.mark.parametrize(
    "change", [lambda lock: lock.write(2, (9, None, None), ()), lambda lock: lock.remove()], ids=["write", "remove"]
)
def test_nothing_is_changed_when_one_lease_was_lost(
    orders: Outbox, take: Take, change: Callable[[ReaderLock], object], lost: str
) -> None:
    written(take, 2)
    lock = take(2)
    other = taken_by_another(orders, lost)
    before = cursors(orders)

    with pytest.raises(LeaseLost):
        change(lock)

    assert cursors(orders) == before
    other.release()


def test_what_was_wanted_is_wanted_no_more_when_it_is_so(orders: Outbox, take: Take) -> None:
    written(take, 1)
    request_shares(orders.collections, "relay:kafka", 2)

    take(2).write(2, POSITION, ())

    assert load(orders.collections, "relay:kafka")[:2] == (2, None)


def test_what_is_wanted_stays_so_when_the_cursor_is_but_moved(orders: Outbox, take: Take) -> None:
    written(take, 1)
    request_shares(orders.collections, "relay:kafka", 2)

    take(1).write(1, (9, None, None), ())

    layout = load(orders.collections, "relay:kafka")
    assert (layout.shares, layout.wanted, layout.positions) == (1, 2, ((9, None, None),))


def test_a_number_that_is_wanted_since_is_not_overwritten(orders: Outbox, take: Take) -> None:
    written(take, 1)
    request_shares(orders.collections, "relay:kafka", 2)
    lock = take(2)
    orders.collections.leases.update_one({"_id": "relay:kafka"}, {"$set": {"wanted": Int64(3)}})

    with pytest.raises(LeaseLost, match="another number of shares of relay 'kafka' is wanted by now"):
        lock.write(2, POSITION, ())

    assert load(orders.collections, "relay:kafka")[:2] == (1, 3)


def test_a_claim_of_a_relay_that_has_more_shares_by_now_is_refused(orders: Outbox, take: Take) -> None:
    lock = ReaderLock(orders.collections, "relay:kafka")
    old = lock.lock()
    assert old is not None
    layout = {"_id": "relay:kafka", "shares": Int64(2), "fence": Int64(0)}
    orders.collections.cursors.insert_one(layout)

    with pytest.raises(LeaseLost, match="relay 'kafka' has 2 shares, and not all of them were taken"):
        lock.claim()

    assert lock.lock_shares(survey(orders.collections, "relay:kafka")) is None
    assert lock.claim().shares == 2
    lock.release()


def test_who_had_a_cursor_before_a_claim_can_write_it_no_more(orders: Outbox, take: Take) -> None:
    written(take, 1)

    lock = take()

    assert cursors(orders)["relay:kafka"]["fence"] == lock.lease("relay:kafka").fence == 2


def test_removing_leaves_nothing_of_the_relay_and_all_of_another(orders: Outbox, take: Take) -> None:
    written(take, 3)
    request_shares(orders.collections, "relay:kafka", 5)
    orders.collections.cursors.insert_one({"_id": "relay:other", "seq": Int64(1)})

    lock = take(3)

    assert lock.remove()
    assert cursors(orders).keys() == {"relay:other"}
    assert load(orders.collections, "relay:kafka")[:2] == (None, None)
    assert not lock.remove()


# Taking it while no relay works


def test_an_idle_relay_s_lock_is_had_at_once(orders: Outbox, take: Take) -> None:
    written(take, 2)
    lock, clock = ReaderLock(orders.collections, "relay:kafka"), FakeClock()

    assert lock.acquire_if_idle(clock).shares == 2
    assert clock.monotonic() == 0
    lock.release()


class Working(FakeClock):
    """A clock of whoever waits, during which a relay beats."""

    def __init__(self, lease: Lease) -> None:
        super().__init__()
        self._lease = lease

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._lease.renew()


@pytest.mark.parametrize("role", ["relay:kafka", "relay:kafka/2"])
def test_a_relay_that_beats_is_running_and_named(orders: Outbox, take: Take, role: str) -> None:
    written(take, 2)
    worker = Lease(orders.collections.leases, role, owner="host:1:worker")
    assert worker.acquire()
    lock, clock = ReaderLock(orders.collections, "relay:kafka"), Working(worker)

    with pytest.raises(CursorInUse, match=r"relay 'kafka' is running \(host:1:worker\): stop it first"):
        lock.acquire_if_idle(clock)

    assert clock.monotonic() <= 1
    lock.release()
    worker.release()


def test_a_relay_that_was_killed_is_waited_for_as_long_as_its_lease_lasts_and_no_longer(orders: Outbox) -> None:
    """By the waiting clock; the lease's own stands still here, so it is never taken over."""
    killed = Lease(orders.collections.leases, "relay:kafka", owner="host:1:killed", seconds=30.0)
    assert killed.acquire()
    own = Lease(orders.collections.leases, "relay:kafka", clock=FakeClock())
    lock, clock = ReaderLock(orders.collections, "relay:kafka", own), FakeClock()

    with pytest.raises(CursorInUse, match="host:1:killed"):
        lock.acquire_if_idle(clock)

    assert 31 <= clock.monotonic() <= 32
    killed.release()


def test_a_relay_that_was_killed_is_succeeded_when_its_lease_has_run_out(orders: Outbox) -> None:
    killed = Lease(orders.collections.leases, "relay:kafka", owner="host:1:killed")
    assert killed.acquire()
    clock = FakeClock()
    lock = ReaderLock(orders.collections, "relay:kafka", Lease(orders.collections.leases, "relay:kafka", clock=clock))

    assert lock.acquire_if_idle(clock).shares is None

    assert 3 <= clock.monotonic() <= 4
    lock.release()

"""A relay of several shares: each key is one share's, and processes take even parts of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Int64
from pymongo.database import Database

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.errors import LeaseLost
from outbox.log.retention import Retention
from outbox.mongo.lease import SECONDS, Lease
from outbox.shares.cursor_admin import forget, move
from outbox.shares.layout import load, request_shares, share_cursor
from outbox.shares.members import Members
from outbox.shares.share import Share
from relay import Relay
from relay.errors import CursorInUse, InvalidSettings, PoisonMessage, Verdict
from relay.monitoring.health import unhealthy
from relay.monitoring.status import relay_status
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_thread import Relaying, run_once, seqs
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("soon")


LEASE_SECONDS = 1.0


@pytest.fixture
def orders(database: Database[dict[str, Any]]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="16 MiB") as outbox:
        yield outbox


def relay(orders: Outbox, sink: MemorySink, shares: int | None = None, lease_seconds: float = LEASE_SECONDS) -> Relay:
    return Relay(orders, sink, shares=shares, lease_seconds=lease_seconds)


def held(orders: Outbox) -> dict[str, list[int]]:
    """By its owner, which shares are held."""
    found = defaultdict(list)
    for each in orders.collections.leases.find({"_id": {"$regex": "^relay:kafka/"}, "owner": {"$ne": None}}):
        found[each["owner"]].append(int(each["_id"].rpartition("/")[2]))
    return found


def parts(orders: Outbox) -> list[int]:
    """How many each process has; nothing while the number is being changed, for which all are in one hand."""
    alone = orders.collections.leases.find_one({"_id": "relay:kafka", "owner": {"$ne": None}})
    return [] if alone else sorted(map(len, held(orders).values()))


def test_four_shares_in_one_process_deliver_each_message_once(orders: Outbox, sink: MemorySink) -> None:
    orders.put([placed(n, f"k{n % 20}") for n in range(100)], standalone=True)

    run_once(relay(orders, sink, 4))

    assert sorted(seqs(sink)) == list(range(1, 101))
    assert [each[0] for each in load(orders.collections, "relay:kafka").positions if each] == [100] * 4


def test_three_processes_take_even_parts_and_what_one_leaves_goes_to_the_others(
    orders: Outbox, sink: MemorySink
) -> None:
    with Relaying(relay(orders, sink, 4)), Relaying(relay(orders, sink.another(), 4)):
        wait_until(lambda: parts(orders) == [2, 2], 20, "two each")
        with Relaying(relay(orders, sink.another())):
            wait_until(lambda: parts(orders) == [1, 1, 2], 20, "three to share")
            orders.put([placed(n, f"k{n % 20}") for n in range(50)], standalone=True)
            wait_until(lambda: len(seqs(sink)) == 50, 20, "all to be delivered")
        wait_until(lambda: parts(orders) == [2, 2], 20, "what the third had")

    assert sorted(seqs(sink)) == list(range(1, 51))


@pytest.mark.parametrize("numbers", [(4, 8, 3, 1), (1, 4, 1)])
def test_the_number_of_shares_can_be_changed_under_load(
    orders: Outbox, sink: MemorySink, numbers: tuple[int, ...]
) -> None:
    orders.put([placed(n, f"k{n % 20}") for n in range(200)], standalone=True)
    first, *rest = numbers
    # With the default's lease none is lost on a busy machine: what was in flight would come twice.
    with Relaying(relay(orders, sink, first, SECONDS)), Relaying(relay(orders, sink.another(), first, SECONDS)):
        wait_until(lambda: load(orders.collections, "relay:kafka").shares == first, 20, "the first layout")
        for number in rest:
            request_shares(orders.collections, "relay:kafka", number)

            def changed(number: int = number) -> bool:
                orders.put([placed(n, f"k{n % 20}") for n in range(20)], standalone=True)
                return load(orders.collections, "relay:kafka")[:2] == (number, None)

            wait_until(changed, 30, f"{number} shares")
        orders.put([placed(n, f"k{n % 20}") for n in range(20)], standalone=True)
        head = wait_until(lambda: orders.collections.staging.find_one() is None and orders.log.head(), 20, "the log")
        wait_until(lambda: len(set(seqs(sink))) == head, 20, "all to be delivered")

    assert sorted(seqs(sink)) == list(range(1, head + 1))


def test_another_number_than_there_is_is_refused(orders: Outbox, sink: MemorySink) -> None:
    run_once(relay(orders, sink, 4))

    with pytest.raises(InvalidSettings, match="has 4 share.*not 3.*relay shares set 3"):
        run_once(relay(orders, sink, 3))
    run_once(relay(orders, sink))


def test_what_two_processes_held_when_they_died_is_taken_over_by_a_third(orders: Outbox, sink: MemorySink) -> None:
    run_once(relay(orders, sink, 4))
    leases = orders.collections.leases
    for number, owner in enumerate(["a", "a", "b", "b"], start=1):
        assert Lease(leases, f"relay:kafka/{number}", owner=f"host:1:{owner}").acquire()
    for owner in "ab":
        Members(leases, "relay:kafka", f"host:1:{owner}", LEASE_SECONDS, SystemClock()).beat()
    orders.put([placed(n, f"k{n % 20}") for n in range(50)], standalone=True)

    with Relaying(relay(orders, sink)):
        wait_until(lambda: len(seqs(sink)) == 50, 20, "the third to take over")
        gone = {"_id": "relay:kafka", "members.a": {"$exists": False}, "members.b": {"$exists": False}}
        wait_until(lambda: leases.find_one(gone), 20, "the dead to be no members any more")

    assert sorted(seqs(sink)) == list(range(1, 51))


def test_the_number_of_shares_changes_also_when_the_one_relay_has_died_before_it_could(
    orders: Outbox, sink: MemorySink
) -> None:
    """Goes red when each attempt begins anew to watch whether the dead one's lease stands still."""
    run_once(relay(orders, sink))
    assert Lease(orders.collections.leases, "relay:kafka", owner="host:1:dead").acquire()
    request_shares(orders.collections, "relay:kafka", 4)

    with Relaying(relay(orders, sink)):
        wait_until(lambda: load(orders.collections, "relay:kafka")[:2] == (4, None), 20, "4 shares")


def test_a_share_that_was_taken_over_cannot_save_its_cursor(orders: Outbox, sink: MemorySink) -> None:
    run_once(relay(orders, sink, 2))
    stale = Lease(orders.collections.leases, "relay:kafka/1")
    assert stale.acquire()
    fence = stale.fence
    stale.release()
    run_once(relay(orders, sink))
    cursors = share_cursor(
        orders.collections.cursors, "relay:kafka", Share(1, 2), in_kafka=isinstance(sink, MemoryTransactions)
    )

    with pytest.raises(LeaseLost):
        cursors.save((0, None, None), fence)
    with pytest.raises(LeaseLost):
        cursors.claim(fence)


def test_a_share_of_a_number_that_was_changed_can_do_nothing_whatever_its_fence(
    orders: Outbox, sink: MemorySink
) -> None:
    run_once(relay(orders, sink, 2))
    request_shares(orders.collections, "relay:kafka", 4)
    run_once(relay(orders, sink))
    cursors = share_cursor(orders.collections.cursors, "relay:kafka", Share(1, 2))

    assert cursors.load() is None
    for forbidden in (lambda: cursors.claim(10**6), lambda: cursors.save((0, None, None), 10**6)):
        with pytest.raises(LeaseLost):
            forbidden()


def test_a_relay_alone_can_do_nothing_beside_shares(orders: Outbox, sink: MemorySink) -> None:
    run_once(relay(orders, sink, 2))
    alone = share_cursor(orders.collections.cursors, "relay:kafka")
    lease = Lease(orders.collections.leases, "relay:kafka")
    assert lease.acquire()

    assert alone.load() is None
    for forbidden in (
        lambda: alone.claim(10**6),
        lambda: alone.save((0, None, None), 10**6),
        lambda: alone.register((0, None, None), lease),
    ):
        with pytest.raises(LeaseLost):
            forbidden()


def test_the_slowest_share_holds_the_sequencer_and_is_the_status_of_the_whole(orders: Outbox) -> None:
    sink = MemorySink()
    orders.put([placed(n, f"k{n % 20}") for n in range(40)], standalone=True)
    run_once(relay(orders, sink, 4))
    orders.collections.cursors.update_one({"_id": "relay:kafka/3"}, {"$set": {"seq": Int64(10)}})

    found = relay_status(orders, "kafka")

    assert (found.cursor or {})["seq"] == 10
    assert found.lag_records == 30
    assert [each.lag_records for each in found.shares] == [0, 0, 30, 0]
    assert Retention(orders.collections, 1).spare(1, 16 << 20, 40)[1] == ("relay:kafka/3", 11)


def test_a_relay_whose_shares_are_not_all_held_is_not_healthy(orders: Outbox) -> None:
    with Relaying(relay(orders, MemorySink(), 2)):
        wait_until(lambda: parts(orders) == [2], 20, "both shares")
        assert unhealthy(orders, "kafka", SystemClock()) is None
    assert "no relay 'kafka/1' is at work" in str(unhealthy(orders, "kafka", SystemClock()))


def test_the_cursors_of_all_shares_are_moved_together(orders: Outbox, sink: MemorySink) -> None:
    orders.put([placed(n, f"k{n % 20}") for n in range(40)], standalone=True)
    run_once(relay(orders, sink, 4))
    request_shares(orders.collections, "relay:kafka", 2)

    before, now = move(orders.collections, "relay:kafka", 30, SystemClock())

    assert ((before or (0,))[0], now[0]) == (40, 30)
    found = load(orders.collections, "relay:kafka")
    assert (found.shares, found.wanted, [each and each[0] for each in found.positions]) == (4, 2, [30] * 4)
    run_once(relay(orders, sink))
    assert sorted(seqs(sink)[40:]) == list(range(31, 41))


def test_the_cursors_of_shares_at_work_cannot_be_moved(orders: Outbox, sink: MemorySink) -> None:
    with Relaying(relay(orders, sink, 2)):
        wait_until(lambda: parts(orders) == [2], 20, "both shares")
        with pytest.raises(CursorInUse, match="stop it first"):
            move(orders.collections, "relay:kafka", 0, SystemClock())


def test_what_was_forgotten_holds_nobody_and_begins_with_another_number(orders: Outbox) -> None:
    sink = MemorySink()
    orders.put([placed(n, f"k{n % 20}") for n in range(40)], standalone=True)
    run_once(relay(orders, sink, 4))

    assert forget(orders.collections, "relay:kafka", SystemClock())

    assert orders.status().cursors == ()
    assert not forget(orders.collections, "relay:kafka", SystemClock())
    run_once(relay(orders, sink, 3))
    assert len(seqs(sink)) == 80


def test_all_shares_begin_at_the_same_record(orders: Outbox, sink: MemorySink) -> None:
    orders.put([placed(n, f"k{n % 20}") for n in range(10)], standalone=True)
    run_once(Relay(orders, MemorySink(), name="other"))

    run_once(Relay(orders, sink, shares=4, start="latest", lease_seconds=LEASE_SECONDS))
    orders.put([placed(n, f"k{n % 20}") for n in range(40)], standalone=True)
    run_once(relay(orders, sink))

    assert sorted(seqs(sink)) == list(range(11, 51))


# ---- dead letters


def relay_of_poison(orders: Outbox, sink: MemorySink, shares: int | None = None) -> Relay:
    return Relay(orders, sink, shares=shares, on_poison="park-key", lease_seconds=LEASE_SECONDS, chance=lambda: 0.0)


def test_a_key_is_parked_by_its_share_and_sent_in_order_by_the_share_it_has_later(
    orders: Outbox, sink: MemorySink
) -> None:
    orders.put([placed(n, f"k{n % 20}") for n in range(100)], standalone=True)
    sink.refused = dict.fromkeys(range(1, 8), Verdict.POISON)
    run_once(relay_of_poison(orders, sink, 4))
    office = DeadLetterAdmin(orders.collections, "relay:kafka")
    assert (office.count("dead"), office.count("parked"), len(seqs(sink))) == (7, 28, 65)
    sink.refused = {}
    request_shares(orders.collections, "relay:kafka", 3)

    office.requeue(Selection())
    run_once(relay_of_poison(orders, sink))

    assert sorted(seqs(sink)) == list(range(1, 101))
    for first in range(1, 21):
        mine = [seq for seq in seqs(sink) if seq % 20 == first % 20]
        assert mine == sorted(mine)
    assert orders.collections.dead.count_documents({}) == 0


def test_a_letter_is_discarded_whichever_share_put_it_aside(orders: Outbox, sink: MemorySink) -> None:
    orders.put([placed(n, f"k{n % 20}") for n in range(40)], standalone=True)
    sink.refused = dict.fromkeys(range(1, 21), Verdict.POISON)
    run_once(relay_of_poison(orders, sink, 4))
    office = DeadLetterAdmin(orders.collections, "relay:kafka")

    for letter in list(office.letters(Selection())):
        if letter["state"] == "dead":
            assert office.discard(Selection(id=letter["_id"])) == 1
    run_once(relay_of_poison(orders, sink))

    assert sorted(seqs(sink)) == list(range(21, 41))


def test_poison_that_stops_a_share_stops_its_process_and_says_what_to_do(orders: Outbox, sink: MemorySink) -> None:
    orders.put([placed(n, f"k{n % 20}") for n in range(40)], standalone=True)
    sink.refused = {7: Verdict.POISON}

    with pytest.raises(PoisonMessage) as stopped:
        run_once(relay(orders, sink, 4))

    assert stopped.value.seq == 7
    [note] = stopped.value.__notes__
    assert f"relay dead discard {stopped.value.id}" in note
    assert "cursor set" not in note, "it would move the others' too"

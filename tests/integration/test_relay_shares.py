"""A relay of several shares: each key is one share's, and processes take even parts of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from relay import Relay, runner
from relay.errors import InvalidSettings
from relay.plan import load, wish
from relay.testing import MemorySink, MemoryTransactions
from tests.orders import new_outbox, placed
from tests.relaying import Relaying, run_once, seqs
from tests.waiting import wait_until

LEASE_SECONDS = 1.0


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "STANDBY_SECONDS", 0.05)


@pytest.fixture
def orders(database: Database[dict[str, Any]]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="16 MiB") as outbox:
        yield outbox


@pytest.fixture(params=[MemorySink, MemoryTransactions])
def sink(request: pytest.FixtureRequest) -> MemorySink:
    return request.param()


def relay(orders: Outbox, sink: MemorySink, shares: int | None = None) -> Relay:
    return Relay(orders, sink, shares=shares, lease_seconds=LEASE_SECONDS)


def held(orders: Outbox) -> dict[str, list[int]]:
    """By its owner, which shares are held."""
    found = defaultdict(list)
    for each in orders.collections.leases.find({"_id": {"$regex": "^relay:kafka/"}, "owner": {"$ne": None}}):
        found[each["owner"]].append(int(each["_id"].rpartition("/")[2]))
    return found


def parts(orders: Outbox) -> list[int]:
    return sorted(map(len, held(orders).values()))


def test_four_shares_in_one_process_deliver_each_message_once(orders: Outbox, sink: MemorySink) -> None:
    orders.put([placed(n, f"k{n % 20}") for n in range(100)])

    run_once(relay(orders, sink, 4))

    assert sorted(seqs(sink)) == list(range(1, 101))
    assert [each[0] for each in load(orders.collections, "kafka").positions if each] == [100] * 4


def test_three_processes_take_even_parts_and_what_one_leaves_goes_to_the_others(
    orders: Outbox, sink: MemorySink
) -> None:
    with Relaying(relay(orders, sink, 4)), Relaying(relay(orders, sink.another(), 4)):
        wait_until(lambda: parts(orders) == [2, 2], 20, "two each")
        with Relaying(relay(orders, sink.another())):
            wait_until(lambda: parts(orders) == [1, 1, 2], 20, "three to share")
            orders.put([placed(n, f"k{n % 20}") for n in range(50)])
            wait_until(lambda: len(seqs(sink)) == 50, 20, "all to be delivered")
        wait_until(lambda: parts(orders) == [2, 2], 20, "what the third had")

    assert sorted(seqs(sink)) == list(range(1, 51))


@pytest.mark.parametrize("numbers", [(4, 8, 3, 1), (1, 4, 1)])
def test_the_number_of_shares_can_be_changed_under_load(
    orders: Outbox, sink: MemorySink, numbers: tuple[int, ...]
) -> None:
    orders.put([placed(n, f"k{n % 20}") for n in range(200)])
    first, *rest = numbers
    with Relaying(relay(orders, sink, first)), Relaying(relay(orders, sink.another(), first)):
        wait_until(lambda: load(orders.collections, "kafka").shares == first, 20, "the first plan")
        for number in rest:
            wish(orders.collections, "kafka", number)

            def changed(number: int = number) -> bool:
                orders.put([placed(n, f"k{n % 20}") for n in range(20)])
                return load(orders.collections, "kafka")[:2] == (number, None)

            wait_until(changed, 30, f"{number} shares")
        orders.put([placed(n, f"k{n % 20}") for n in range(20)])
        head = wait_until(lambda: orders.collections.staging.find_one() is None and orders.log.head(), 20, "the log")
        wait_until(lambda: len(set(seqs(sink))) == head, 20, "all to be delivered")

    assert sorted(seqs(sink)) == list(range(1, head + 1))


def test_another_number_than_there_is_is_refused(orders: Outbox, sink: MemorySink) -> None:
    run_once(relay(orders, sink, 4))

    with pytest.raises(InvalidSettings, match="has 4 share.*not 3.*relay shares set 3"):
        run_once(relay(orders, sink, 3))
    run_once(relay(orders, sink))

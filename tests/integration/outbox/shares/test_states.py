"""The states of a projection: what they are called, and that nobody removes those of one that is at work."""

from __future__ import annotations

import pytest

from outbox import Outbox
from outbox.shares.states import key_of, remove_states, state_id
from tests.actors.order_service import placed
from tests.actors.projecting import caught_up, revenue
from tests.actors.running import put


@pytest.mark.parametrize("key", [None, "", "a", "a/b", "revenue/a"])
def test_a_state_s_id_says_its_key(key: str | None) -> None:
    assert key_of("revenue", state_id("revenue", key)) == key


def test_states_without_a_cursor_are_removed_however_many(orders: Outbox) -> None:
    orders.collections.states.insert_many([{"_id": f"revenue/{number}"} for number in range(2500)])
    orders.collections.states.insert_many([{"_id": "revenue"}, {"_id": "revenue2"}, {"_id": "revenue~new/1"}])

    remove_states(orders.collections, "projection:revenue")

    assert sorted(each["_id"] for each in orders.collections.states.find()) == ["revenue2", "revenue~new/1"]


@pytest.mark.parametrize("shares", [1, 2])
def test_states_with_a_cursor_stay(orders: Outbox, shares: int) -> None:
    put(orders, placed(10, "a"), placed(20, "b"))
    caught_up(revenue(orders, by="key", shares=shares))

    remove_states(orders.collections, "projection:revenue")

    assert orders.collections.states.count_documents({}) == 2

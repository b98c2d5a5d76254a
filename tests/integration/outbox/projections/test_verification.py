"""Verifying: the states are made once more, and the first difference is named."""

from __future__ import annotations

from typing import Any

import pytest

from outbox import Outbox, ProjectionDiffers, UnknownReader
from tests.actors.order_service import OrderCancelled, OrderPlaced, placed
from tests.actors.projecting import caught_up, projecting, revenue
from tests.actors.running import put


@pytest.fixture
def spent(orders: Outbox) -> Any:
    put(orders, placed(10, "a"), placed(20, "b"), OrderCancelled(order_id="a"), placed(30, "a"), placed(5, "c"))
    projection = revenue(orders, by="key", types=[OrderPlaced])
    caught_up(projection)
    return projection


def test_states_that_are_what_the_log_makes_pass(spent: Any) -> None:
    spent.verify()


def test_a_value_that_differs_is_named_with_its_place(orders: Outbox, spent: Any) -> None:
    for id in ("revenue/b", "revenue/c"):
        orders.collections.states.update_one({"_id": id}, {"$set": {"state.total": 21}})

    with pytest.raises(ProjectionDiffers, match="'revenue/b' of .*, at total: it should be 20, and is 21") as raised:
        spent.verify()

    assert (raised.value.key, raised.value.path, raised.value.expected, raised.value.found) == ("b", "total", 20, 21)


@pytest.mark.parametrize("id", ["a", "b", "c"])
def test_a_state_that_is_missing_is_named(orders: Outbox, spent: Any, id: str) -> None:
    orders.collections.states.delete_one({"_id": f"revenue/{id}"})

    with pytest.raises(ProjectionDiffers, match=f"'revenue/{id}' .* and is None"):
        spent.verify()


@pytest.mark.parametrize("id", ["revenue", "revenue/", "revenue/aa", "revenue/z"])
def test_a_state_that_no_message_makes_is_named(orders: Outbox, spent: Any, id: str) -> None:
    orders.collections.states.insert_one({"_id": id, "state": {"total": 1}, "seq": 1})

    with pytest.raises(ProjectionDiffers, match=f"'{id}' .* it should be None"):
        spent.verify()


def test_what_is_not_applied_yet_is_no_difference(orders: Outbox, spent: Any) -> None:
    put(orders, placed(99, "a"), placed(99, "new"))

    spent.verify()


def test_a_position_beyond_what_was_applied_is_a_difference(orders: Outbox, spent: Any) -> None:
    put(orders, placed(99, "a"))
    spent.reset("latest")

    with pytest.raises(ProjectionDiffers, match="'revenue/a' .* at count: it should be 3, and is 2"):
        spent.verify()


def test_it_may_be_asked_while_others_work(orders: Outbox) -> None:
    put(orders, [placed(1, str(number % 7)) for number in range(200)])
    projection = revenue(orders, by="key", shares=2)

    with projecting(projection):
        for _ in range(10):
            put(orders, *(placed(1, str(number)) for number in range(7)))
            projection.wait_caught_up(30)
            put(orders, *(placed(1, str(number)) for number in range(7)))
            projection.verify()


def test_before_the_first_start_there_is_nothing_to_verify(orders: Outbox) -> None:
    with pytest.raises(UnknownReader, match="has not begun: run"):
        revenue(orders).verify()

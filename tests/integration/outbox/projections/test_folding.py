"""Applying records: states and position in one transaction, and nothing applied twice, whatever fails."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from outbox import Outbox, PoisonMessage, Record
from outbox.consumers.in_transaction import WithEffects
from outbox.errors import Superseded
from outbox.projections.folding import Folding
from outbox.projections.header import HeaderStore
from outbox.projections.rules import rules
from tests.actors.order_service import placed
from tests.actors.projecting import State, add, caught_up, revenue
from tests.actors.running import put

EVERY = pytest.mark.parametrize("every", [1, 3, 1000])


@EVERY
def test_the_position_moves_with_the_state_and_no_later(orders: Outbox, every: int) -> None:
    put(orders, *(placed(1) for _ in range(7)))
    seen: list[tuple[int | None, State | None]] = []

    def look(state: State, record: Record[Any]) -> State:
        seen.append((projection.position(), projection.state()))
        return add(state, record)

    projection = revenue(orders, apply=look, snapshot_every=every)
    caught_up(projection)

    assert all((position or 0) == (state or {"count": 0})["count"] for position, state in seen)
    assert {position for position, _ in seen} == set(range(0, 7, every))


@EVERY
def test_a_transaction_that_fails_at_its_end_leaves_nothing_and_is_tried_again(
    orders: Outbox, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(orders, *(placed(1, key) for key in "abcabca"))
    failures = [OperationFailure("busy", 112, {"errorLabels": ["TransientTransactionError"]}), ValueError("no")]
    commit = WithEffects.commit

    def fail(self: WithEffects, records: Any, session: Any) -> None:
        if failures:
            raise failures.pop()
        commit(self, records, session)

    monkeypatch.setattr(WithEffects, "commit", fail)
    projection = revenue(orders, by="key", snapshot_every=every)
    caught_up(projection)

    assert not failures
    assert {key: state["count"] for key, state in projection.states()} == {"a": 3, "b": 2, "c": 2}


def test_a_failing_record_does_not_take_the_ones_before_it_along(orders: Outbox) -> None:
    put(orders, *(placed(total) for total in (1, 2, 3, 4)))

    def fail(state: State, record: Record[Any]) -> State:
        if record.seq == 4:
            raise ValueError("no")
        state["count"] = state.get("count", 0) + 1
        return state

    projection = revenue(orders, apply=fail)
    with pytest.raises(PoisonMessage):
        projection.run()

    assert projection.state() == {"count": 3}


def test_a_state_that_was_damaged_by_hand_is_named(orders: Outbox) -> None:
    put(orders, placed(1))
    projection = revenue(orders)
    caught_up(projection)
    orders.collections.states.update_one({"_id": "revenue"}, {"$unset": {"state": 1}})
    put(orders, placed(1))

    with pytest.raises(PoisonMessage, match="the document 'revenue' of .*states is no state"):
        projection.run()
    projection.rebuild()
    caught_up(projection)
    assert projection.state() == {"count": 2, "total": 2}


def test_what_a_state_has_is_not_applied_to_it_again(orders: Outbox) -> None:
    put(orders, placed(1, "a"), placed(1, "b"), placed(1, "a"))
    caught_up(revenue(orders, by="key"))
    records = [record for record in orders.read() if record.key == "a"]
    header = HeaderStore(orders.collections, "projection:revenue")
    folding = Folding(orders, rules("revenue", dict, add, "key", 1), header)

    with orders.collections.client.start_session() as session, session.start_transaction():
        folding(records, session)

    assert revenue(orders, by="key").state("a") == {"count": 2, "total": 2}


def test_the_states_of_another_version_are_not_touched(orders: Outbox) -> None:
    put(orders, placed(1))
    caught_up(revenue(orders))
    header = HeaderStore(orders.collections, "projection:revenue")
    folding = Folding(orders, rules("revenue", dict, add, None, 2), header)

    with (
        pytest.raises(Superseded, match="no longer of its version"),
        orders.collections.client.start_session() as session,
        session.start_transaction(),
    ):
        folding(list(orders.read()), session)

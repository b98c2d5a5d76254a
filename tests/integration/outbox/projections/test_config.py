"""How a projection begins and is divided, beside what it has from consumers."""

from __future__ import annotations

from typing import Any

from outbox import InvalidProjection, Outbox, Record
from tests.actors.order_service import placed
from tests.actors.projecting import State, add, caught_up, projecting, revenue
from tests.actors.running import put


def test_states_without_a_position_are_removed_before_it_begins(orders: Outbox) -> None:
    orders.collections.states.insert_one({"_id": "revenue/a", "seq": 9, "state": {"count": 99, "total": 99}})
    put(orders, placed(1, "b"))
    projection = revenue(orders, by="key")

    caught_up(projection)

    assert dict(projection.states()) == {"b": {"count": 1, "total": 1}}


def test_messages_of_one_state_are_applied_in_order_by_one_share_whatever_their_keys(orders: Outbox) -> None:
    put(orders, [placed(number, str(number)) for number in range(1, 101)])

    def follow(state: State, record: Record[Any]) -> State:
        assert record.seq > state.get("last", 0)
        return {**add(state, record), "last": record.seq}

    projection = revenue(orders, apply=follow, by=lambda record: record.message.total % 3, shares=4)
    caught_up(projection)

    assert {key: state["count"] for key, state in projection.states()} == {"0": 33, "1": 34, "2": 33}


def test_a_key_that_cannot_be_told_stops_one_share_and_leaves_nothing_out(orders: Outbox) -> None:
    put(orders, *(placed(number, str(number)) for number in range(1, 9)))

    def by(record: Record[Any]) -> str:
        if record.seq == 5:
            raise LookupError("no such region")
        return str(record.seq)

    projection = revenue(orders, by=by, shares=2)
    with projecting(projection) as (work,):
        assert "no such region" in str(work.fails())
    mended = revenue(orders, by=lambda record: str(record.seq))
    caught_up(mended)

    assert len(list(mended.states())) == 8


def test_another_number_of_shares_is_refused(orders: Outbox) -> None:
    put(orders, placed(1, "a"))
    caught_up(revenue(orders, by="key", shares=2))

    with projecting(revenue(orders, by="key", shares=3)) as (work,):
        error = work.fails()

    assert isinstance(error, InvalidProjection)
    assert "projection:revenue has 2 share(s), not 3" in str(error)


def test_a_message_is_passed_when_all_shares_have_come_to_it(orders: Outbox) -> None:
    id = orders.put(placed(1, "a"), standalone=True)
    put(orders, *(placed(1, key) for key in "bcdef"))
    caught_up(revenue(orders, by=lambda _: "all", shares=2))
    cursors = orders.collections.cursors

    for number in (1, 2):
        cursors.update_one({"_id": f"projection:revenue/{number}"}, {"$set": {"seq": 0}})
        assert orders.find(id).passed == ()
        cursors.update_one({"_id": f"projection:revenue/{number}"}, {"$set": {"seq": 6}})
    assert orders.find(id).passed == ("projection:revenue",)

"""A projection: states that hold each message once, by key, with the position, wherever and however often it runs."""

from __future__ import annotations

from typing import Any

import pytest

from outbox import (
    CursorInUse,
    InvalidProjection,
    Outbox,
    PoisonMessage,
    Record,
    WaitTimeout,
    events,
)
from outbox.shares.layout import request_shares
from outbox.shares.paused import set_paused
from tests.actors.order_service import OrderCancelled, OrderPlaced, StockCounted, placed
from tests.actors.projecting import State, add, caught_up, projecting, revenue
from tests.actors.running import put
from tests.waiting import wait_until


def document(orders: Outbox, id: str) -> dict[str, Any] | None:
    return orders.collections.states.find_one({"_id": id})


def test_its_state_holds_each_message_once_and_says_which_was_the_last(orders: Outbox) -> None:
    put(orders, placed(10), placed(20), placed(30))
    last = orders.log.record_at(3)
    projection = revenue(orders)

    caught_up(projection)

    assert projection.state() == {"count": 3, "total": 60}
    assert last is not None
    assert document(orders, "revenue") == {
        "_id": "revenue", "version": 1, "seq": 3, "id": last.id, "created": last.created,
        "state": {"count": 3, "total": 60},
    }  # fmt: skip
    assert projection.position() == 3


def test_it_goes_on_where_another_has_stopped(orders: Outbox) -> None:
    put(orders, placed(10), placed(20))
    caught_up(revenue(orders))
    put(orders, placed(30))

    caught_up(revenue(orders))

    assert revenue(orders).state() == {"count": 3, "total": 60}


def test_by_key_each_key_has_a_state(orders: Outbox) -> None:
    put(orders, placed(10, "a"), placed(20, "b"), placed(30, "a"))
    projection = revenue(orders, by="key")

    caught_up(projection)

    assert dict(projection.states()) == {"a": {"count": 2, "total": 40}, "b": {"count": 1, "total": 20}}
    assert projection.state("a") == {"count": 2, "total": 40}
    assert projection.state("c") is None
    assert document(orders, "revenue/b") is not None


def test_messages_without_a_key_have_one_state_together(orders: Outbox) -> None:
    put(orders, StockCounted(count=1), StockCounted(count=2))
    projection = orders.projection("stock", by="key", apply=lambda state, record: {"last": record.data["count"]})  # type: ignore[index]  # it has data

    caught_up(projection)

    assert dict(projection.states()) == {None: {"last": 2}}
    assert projection.state() == {"last": 2}


@pytest.mark.parametrize("key", ["a/b", "/", "a/", "revenue", "$set", "x.y", "ä€😀", "revenue/a", "~new"])
def test_any_text_is_a_key(orders: Outbox, key: str) -> None:
    put(orders, placed(10, key), placed(20, "other"))
    projection = revenue(orders, by="key")

    caught_up(projection)

    assert projection.state(key) == {"count": 1, "total": 10}
    assert dict(projection.states()) == {key: {"count": 1, "total": 10}, "other": {"count": 1, "total": 20}}


def test_a_function_may_choose_the_key(orders: Outbox) -> None:
    put(orders, placed(10, "a"), placed(11, "a"), placed(20, "b"))
    projection = revenue(orders, by=lambda record: record.data["total"] % 10)

    caught_up(projection)

    assert dict(projection.states()) == {"0": {"count": 2, "total": 30}, "1": {"count": 1, "total": 11}}
    assert projection.state(1) == {"count": 1, "total": 11}


def test_it_takes_the_types_it_is_asked_for_and_passes_the_others(orders: Outbox) -> None:
    put(orders, placed(10), OrderCancelled(order_id="42"), placed(20), OrderCancelled(order_id="42"))
    projection = revenue(orders, types=[OrderPlaced])

    caught_up(projection)

    assert projection.state() == {"count": 2, "total": 30}
    assert projection.position() == 4


def test_projections_whose_names_begin_alike_know_nothing_of_each_other(orders: Outbox) -> None:
    put(orders, placed(10, "a"))
    short, long = revenue(orders, by="key"), orders.projection("revenue.new", apply=add, by="key")
    caught_up(short)
    caught_up(long)

    assert long.forget()

    assert dict(short.states()) == {"a": {"count": 1, "total": 10}}
    assert dict(long.states()) == {}


def test_what_apply_raises_stops_it_at_that_message_and_leaves_nothing_out(orders: Outbox) -> None:
    put(orders, placed(10), placed(20), placed(30))

    def refuse(state: State, record: Record[Any]) -> State:
        if record.seq == 2:
            raise ValueError("not this one")
        return add(state, record)

    projection = revenue(orders, apply=refuse)
    with pytest.raises(PoisonMessage, match="seq 2 .*failed 3 times, at last with ValueError: not this one") as raised:
        projection.run()

    assert "leaves nothing out" in "".join(raised.value.__notes__)
    assert projection.state() == {"count": 1, "total": 10}
    assert projection.position() == 1
    caught_up(revenue(orders))
    assert projection.state() == {"count": 3, "total": 60}


def test_apply_that_returns_nothing_is_told_so(orders: Outbox) -> None:
    put(orders, placed(10))

    with pytest.raises(PoisonMessage, match="apply returned None: it must return the state"):
        revenue(orders, apply=lambda state, _: state.update(a=1)).run()


def test_a_state_that_is_too_large_says_so_and_the_last_one_stays(orders: Outbox) -> None:
    put(orders, placed(1), placed(2))
    projection = revenue(orders, apply=lambda _, record: {"text": "x" * 16_000_000 * record.data["total"]})

    with pytest.raises(PoisonMessage, match="the state 'revenue': it would take 32,000,.* bytes, .* by by="):
        projection.run()

    state = projection.state()
    assert state is not None
    assert len(state["text"]) == 16_000_000


def test_going_back_applies_nothing_twice(orders: Outbox) -> None:
    put(orders, placed(10), placed(20))
    projection = revenue(orders)
    caught_up(projection)

    assert projection.reset("earliest") == 0
    put(orders, placed(30))
    caught_up(projection)

    assert projection.state() == {"count": 3, "total": 60}


def test_going_forward_leaves_a_message_out(orders: Outbox) -> None:
    put(orders, placed(10))
    projection = revenue(orders)
    caught_up(projection)
    put(orders, placed(20), placed(30))

    projection.reset(2)
    caught_up(projection)

    assert projection.state() == {"count": 2, "total": 40}


def test_forgetting_removes_the_states_and_the_position(orders: Outbox) -> None:
    put(orders, placed(10, "a"), placed(20, "b"))
    projection = revenue(orders, by="key")
    caught_up(projection)

    assert projection.forget() is True
    assert projection.forget() is False

    assert orders.collections.states.count_documents({}) == 0
    assert projection.position() is None
    caught_up(projection)
    assert dict(projection.states()) == {"a": {"count": 1, "total": 10}, "b": {"count": 1, "total": 20}}


def test_it_is_a_reader_like_others(orders: Outbox) -> None:
    id = orders.put(placed(10), standalone=True)
    orders.sequence()
    projection = revenue(orders)

    with projecting(projection):
        orders.wait_for(id, reader="projection:revenue")
        with pytest.raises(CursorInUse, match="projection 'revenue' is running"):
            projection.forget()

    reader = orders.readers()[0]
    assert (reader.id, reader.kind, reader.position, reader.lag) == ("projection:revenue", "projection", 1, 0)
    assert orders.find(id).passed == ("projection:revenue",)


def test_a_paused_one_applies_nothing_until_it_is_resumed(orders: Outbox) -> None:
    put(orders, placed(10))
    projection = revenue(orders)
    caught_up(projection)
    set_paused(orders.collections, "projection:revenue", paused=True)
    put(orders, placed(20))

    with projecting(projection):
        with pytest.raises(WaitTimeout, match="at seq 1, and was to reach 2"):
            projection.wait_caught_up(1)
        set_paused(orders.collections, "projection:revenue", paused=False)
        projection.wait_caught_up(30)

    assert projection.state() == {"count": 2, "total": 30}


@pytest.mark.parametrize("by", ["key", lambda record: record.data["total"] % 7], ids=["key", "function"])
def test_shares_divide_the_states_and_each_message_is_in_one_of_them_once(orders: Outbox, by: Any) -> None:
    put(orders, [placed(total, str(total % 11)) for total in range(1, 101)])
    first, second = revenue(orders, by=by, shares=3), revenue(orders, by=by)

    with projecting(first, second):
        first.wait_caught_up(60)
        id = orders.put(placed(7, "last"), standalone=True)
        orders.sequence()
        orders.wait_for(id, reader="projection:revenue", timeout=30)
        assert sum(state["count"] for _, state in first.states()) == 101

    assert len(list(first.states())) == (12 if by == "key" else 7)
    assert sum(state["total"] for _, state in first.states()) == 5050 + 7
    first.verify()


def test_shares_need_a_state_a_key(orders: Outbox) -> None:
    with pytest.raises(InvalidProjection, match="shares=2 without by="):
        revenue(orders, shares=2)


def test_one_state_stays_in_one_share_when_somebody_has_made_more(orders: Outbox) -> None:
    put(orders, placed(0, "begin"))
    projection = revenue(orders, apply=lambda state, record: {"seqs": [*state.get("seqs", []), record.seq]})

    with projecting(projection):
        projection.wait_caught_up(30)
        request_shares(orders.collections, projection.id, 3)
        put(orders, [placed(1, str(number)) for number in range(30)])
        projection.wait_caught_up(60)
        wait_until(lambda: orders.readers()[0].shares == 3, 30, "three shares")
        put(orders, [placed(1, str(number)) for number in range(30)])
        projection.wait_caught_up(60)

    assert projection.state() == {"seqs": list(range(1, 62))}


def test_it_tells_what_it_does_and_that_it_ended_once(orders: Outbox) -> None:
    put(orders, placed(10))
    told: list[events.Event] = []

    caught_up(revenue(orders, on_event=told.append))

    assert [type(each) for each in told].count(events.Handled) == 1
    assert [type(each) for each in told].count(events.Stopped) == 1
    assert isinstance(told[-1], events.Stopped)


def test_a_log_made_anew_begins_new_states(orders: Outbox) -> None:
    put(orders, placed(10), placed(20))
    projection = revenue(orders)
    caught_up(projection)
    orders.drop()
    orders.create()
    put(orders, placed(5))

    caught_up(projection)

    assert projection.state() == {"count": 1, "total": 5}


def replaced(orders: Outbox) -> None:
    """Another log, as an operator makes one when the first was lost: create() names the cursors as what to drop."""
    for lost in (orders.collections.log, orders.collections.staging, orders.collections.cursors):
        lost.drop()
    orders.create()


def test_states_that_a_lost_log_has_left_are_not_gone_on_with(orders: Outbox) -> None:
    put(orders, placed(10, "a"), placed(20, "b"))
    projection = revenue(orders, by="key")
    caught_up(projection)
    replaced(orders)
    put(orders, placed(5, "b"))

    caught_up(projection)

    assert dict(projection.states()) == {"b": {"count": 1, "total": 5}}


def test_states_of_another_log_are_gone_on_with_when_somebody_sets_the_position(orders: Outbox) -> None:
    put(orders, placed(10), placed(20))
    projection = revenue(orders)
    caught_up(projection)
    replaced(orders)
    put(orders, placed(5), placed(6))

    projection.reset("earliest")
    caught_up(projection)

    assert projection.state() == {"count": 4, "total": 41}


def test_two_runs_in_one_process_are_refused(orders: Outbox) -> None:
    put(orders, placed(1))
    projection = revenue(orders)

    with projecting(projection):
        projection.wait_caught_up(30)
        with pytest.raises(InvalidProjection, match="runs already in this process"):
            projection.run()


def test_closing_the_outbox_ends_it(orders: Outbox) -> None:
    put(orders, placed(1))

    with projecting(revenue(orders)) as (work,):
        wait_until(lambda: bool(orders.readers()), 30, "the start")
        orders.close()
        work.thread.join(30)
        assert not work.thread.is_alive()

"""States that are made anew beside those in use, and replace them at once, whoever else is at work."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pymongo.client_session import ClientSession

from outbox import HistoryLost, Outbox, PoisonMessage, Record
from outbox.consumers.in_transaction import WithEffects
from outbox.projections import rebuild
from outbox.projections.rebuild import Swap
from tests.actors.order_service import placed
from tests.actors.projecting import State, add, add_twice, caught_up, projecting, revenue
from tests.actors.running import Running, put
from tests.actors.small_log import put_large, small_outbox
from tests.waiting import wait_until


def spoil(orders: Outbox, id: str, **state: Any) -> None:
    orders.collections.states.update_one({"_id": id}, {"$set": {"state": state}})


def left(orders: Outbox) -> list[str]:
    """What there is of states beside those in use, and of their cursor."""
    beside = {"_id": {"$regex": "~new"}}
    return [
        each["_id"] for where in (orders.collections.states, orders.collections.cursors) for each in where.find(beside)
    ]


def test_it_makes_the_states_that_the_log_makes(orders: Outbox) -> None:
    put(orders, placed(10, "a"), placed(20, "b"))
    projection = revenue(orders, by="key")
    caught_up(projection)
    spoil(orders, "revenue/a", total=999)
    orders.collections.states.insert_one({"_id": "revenue/none", "state": {}, "seq": 1})

    assert projection.rebuild() is True

    assert dict(projection.states()) == {"a": {"count": 1, "total": 10}, "b": {"count": 1, "total": 20}}
    assert left(orders) == []


def test_those_in_use_go_on_meanwhile_and_nothing_is_in_them_twice(orders: Outbox) -> None:
    put(orders, [placed(1, str(number % 5)) for number in range(200)])
    projection, other = revenue(orders, by="key"), revenue(orders, by="key")

    with projecting(projection):
        projection.wait_caught_up(30)
        rebuilding = Running(lambda: other.rebuild() and None)
        rebuilding.thread.start()
        for _ in range(40):
            put(orders, *(placed(1, str(number)) for number in range(5)))
        rebuilding.thread.join(60)
        assert rebuilding.error is None
        assert not rebuilding.thread.is_alive()
        put(orders, placed(1, "0"))
        projection.wait_caught_up(30)

    assert sum(state["count"] for _, state in projection.states()) == 401
    projection.verify()
    assert left(orders) == []


def test_the_states_in_use_are_given_until_the_new_ones_are_there(orders: Outbox) -> None:
    put(orders, placed(10), placed(20))
    caught_up(revenue(orders))
    spoil(orders, "revenue", total=999)
    seen: list[State | None] = []

    def look(state: State, record: Record[Any]) -> State:
        seen.append(revenue(orders).state())
        return add(state, record)

    revenue(orders, apply=look, snapshot_every=1).rebuild()

    assert seen == [{"total": 999}, {"total": 999}]
    assert revenue(orders).state() == {"count": 2, "total": 30}


def test_a_swap_that_fails_changes_nothing_and_the_next_one_is_whole(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(orders, placed(10))
    projection = revenue(orders)
    caught_up(projection)
    spoil(orders, "revenue", total=999)

    def fail(*_: object) -> None:
        raise RuntimeError("the process died here")

    with monkeypatch.context() as patch:
        patch.setattr(Swap, "_copy", fail)
        patch.setattr(rebuild, "MOST_BEHIND", 0)  # so that there are new states before the swap
        work = Running(lambda: projection.rebuild() and None)
        work.thread.start()
        wait_until(lambda: "revenue~new" in left(orders), 30, "the new states")
        assert projection.state() == {"total": 999}
        projection.stop()
        work.thread.join(30)

    assert projection.rebuild() is True
    assert projection.state() == {"count": 1, "total": 10}


def test_what_was_left_half_made_does_not_hold_the_log_for_ever(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(orders, placed(10))
    projection = revenue(orders)
    caught_up(projection)
    with monkeypatch.context() as patch:
        patch.setattr(Swap, "attempt", lambda *_: False)
        work = Running(lambda: projection.rebuild() and None)
        work.thread.start()
        wait_until(lambda: "revenue~new" in left(orders), 30, "the new states")
        assert "projection:revenue~new" in [reader.id for reader in orders.readers()]
        projection.stop()
        work.thread.join(30)
    assert "projection:revenue~new" in [reader.id for reader in orders.readers()]

    caught_up(revenue(orders))

    assert [reader.id for reader in orders.readers()] == ["projection:revenue"]
    assert left(orders) == []


def test_two_at_once_end_with_the_same_states(orders: Outbox) -> None:
    put(orders, [placed(1, str(number % 7)) for number in range(300)])
    caught_up(revenue(orders, by="key"))
    spoil(orders, "revenue/0", total=999)
    works = [Running(lambda: revenue(orders, by="key").rebuild() and None) for _ in range(2)]

    for work in works:
        work.thread.start()
    for work in works:
        work.thread.join(60)
        assert work.error is None
        assert not work.thread.is_alive()

    revenue(orders, by="key").verify()
    assert left(orders) == []


@pytest.mark.parametrize(("most", "tries"), [(500, 1), (0, 2)])
def test_new_states_get_what_they_lack_within_the_swap_unless_it_is_much(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, most: int, tries: int
) -> None:
    put(orders, placed(10))
    projection = revenue(orders)
    caught_up(projection)
    attempts: list[bool] = []

    def count(swap: Swap, delivery: WithEffects, attempt: Any = Swap.attempt) -> bool:
        if not attempts:
            put(orders, placed(20))
            caught_up(projection)
        attempts.append(attempt(swap, delivery))
        return attempts[-1]

    monkeypatch.setattr(rebuild, "MOST_BEHIND", most)
    monkeypatch.setattr(Swap, "attempt", count)
    revenue(orders).rebuild()

    assert len(attempts) == tries
    assert projection.state() == {"count": 2, "total": 30}
    assert projection.position() == 2


def test_states_in_use_that_went_on_meanwhile_are_not_replaced_by_older_ones(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when the positions are not looked at within the transaction."""
    put(orders, placed(10))
    projection = revenue(orders)
    caught_up(projection)
    transact, went_on, tries = rebuild.transact, threading.Event(), []

    def late(session: ClientSession, work: Any) -> Any:
        if not went_on.is_set():
            put(orders, placed(20))
            caught_up(projection)
            went_on.set()
        tries.append(transact(session, work))
        return tries[-1]

    monkeypatch.setattr(rebuild, "MOST_BEHIND", 0)
    monkeypatch.setattr(rebuild, "transact", late)
    revenue(orders).rebuild()

    assert tries == [None, 2]
    assert projection.state() == {"count": 2, "total": 30}
    assert projection.position() == 2


def test_a_message_that_apply_fails_at_leaves_the_states_in_use_as_they_are(orders: Outbox) -> None:
    put(orders, placed(10))
    caught_up(revenue(orders))

    def fail(state: State, _: Record[Any]) -> State:
        raise ValueError(state)

    with pytest.raises(PoisonMessage):
        revenue(orders, apply=fail).rebuild()

    assert revenue(orders).state() == {"count": 1, "total": 10}


def test_a_log_that_no_longer_holds_the_beginning_leaves_the_states_as_they_are(database: Any) -> None:
    with small_outbox(database) as orders:
        put(orders, placed(10))
        projection = revenue(orders)
        caught_up(projection)
        for _ in range(3):
            put_large(orders, 4)
            caught_up(projection)
        assert orders.log.earliest() > 1
        before = projection.state()

        for call in (projection.rebuild, projection.verify, revenue(orders, version=2).run):
            with pytest.raises(HistoryLost) as raised:
                call()
            assert "made of more than the log holds" in "".join(raised.value.__notes__)

        assert projection.state() == before
        assert left(orders) == []
        projection.forget()
        caught_up(projection)
        projection.verify()
        assert projection.rebuild() is True


def test_one_that_began_when_the_log_had_rolled_over_is_made_anew_from_there(database: Any) -> None:
    with small_outbox(database) as orders:
        put_large(orders, 12)
        assert orders.log.earliest() > 1
        projection = revenue(orders)
        caught_up(projection)
        before = projection.state()

        projection.verify()
        projection.rebuild()

        assert projection.state() == before


def test_shares_go_on_beside_it(orders: Outbox) -> None:
    put(orders, [placed(1, str(number % 9)) for number in range(300)])
    projection = revenue(orders, by="key", shares=2)

    with projecting(projection):
        projection.wait_caught_up(60)
        assert revenue(orders, by="key", apply=add).rebuild() is True
        put(orders, *(placed(1, str(number)) for number in range(9)))
        projection.wait_caught_up(60)

    assert sum(state["count"] for _, state in projection.states()) == 309
    projection.verify()


def test_the_states_of_a_higher_version_are_made_anew(orders: Outbox) -> None:
    put(orders, placed(10), placed(20))
    caught_up(revenue(orders))

    caught_up(newer := revenue(orders, version=2, apply=add_twice))

    assert newer.state() == {"count": 2, "total": 30, "double": 60}
    document = orders.collections.states.find_one({"_id": "revenue"})
    assert document is not None
    assert document["version"] == 2


def test_it_comes_to_an_end_while_messages_never_stop(orders: Outbox) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            put(orders, *(placed(1, str(number)) for number in range(3)))

    put(orders, [placed(1, str(number % 5)) for number in range(500)])
    projection, writing = revenue(orders, by="key"), threading.Thread(target=write)
    with projecting(projection):
        projection.wait_caught_up(30)
        writing.start()
        try:
            for _ in range(5):
                assert revenue(orders, by="key").rebuild() is True
        finally:
            stop.set()
            writing.join(30)
        projection.wait_caught_up(60)

    projection.verify()

"""Versions side by side: a newer one replaces an older one's states, and no older one undoes it."""

from __future__ import annotations

import logging

import pytest

from outbox import InvalidProjection, Outbox, events
from tests.actors.order_service import placed
from tests.actors.projecting import add_twice, caught_up, projecting, revenue
from tests.actors.running import put
from tests.waiting import wait_until

TWICE = {"count": 3, "total": 60, "double": 120}


def test_an_older_one_at_work_stands_by_once_the_newer_states_are_in_use(
    orders: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "outbox")
    put(orders, placed(10), placed(20))
    told: list[events.Event] = []
    older, newer = revenue(orders, on_event=told.append), revenue(orders, version=2, apply=add_twice)

    with projecting(older):
        older.wait_caught_up(30)
        with projecting(newer):
            newer.wait_caught_up(30)
            put(orders, placed(30))
            newer.wait_caught_up(30)
            wait_until(lambda: events.Standby(None) in told, 30, "standing by")

    assert newer.state() == TWICE
    assert "its states are of version 2, and this process makes version 1, so it stands by" in caplog.text


def test_an_older_one_that_starts_later_changes_nothing(orders: Outbox) -> None:
    put(orders, placed(10), placed(20), placed(30))
    caught_up(revenue(orders, version=2, apply=add_twice))
    told: list[events.Event] = []
    older = revenue(orders, on_event=told.append)

    with projecting(older):
        wait_until(lambda: events.Standby(None) in told, 30, "standing by")
        put(orders, placed(1))
    with pytest.raises(InvalidProjection, match="of version 2, and this process makes 1"):
        older.rebuild()

    assert older.state() == TWICE
    assert older.position() == 3


def test_an_older_one_that_stands_by_goes_on_when_the_newer_one_was_forgotten(orders: Outbox) -> None:
    put(orders, placed(10))
    newer, older = revenue(orders, version=2, apply=add_twice), revenue(orders)
    caught_up(newer)

    with projecting(older):
        newer.forget()
        wait_until(lambda: older.state() == {"count": 1, "total": 10}, 30, "the older one's state")


def test_a_version_in_between_that_was_left_half_made_is_begun_anew(orders: Outbox) -> None:
    put(orders, placed(10), placed(20), placed(30))
    caught_up(revenue(orders))
    cursors, states = orders.collections.cursors, orders.collections.states
    cursor = cursors.find_one({"_id": "projection:revenue"})
    assert cursor is not None
    left = {**cursor, "_id": "projection:revenue~new", "projection": {"version": 2, "since": 1}}
    cursors.insert_one(left)
    states.insert_one({"_id": "revenue~new", "version": 2, "seq": 3, "state": {"total": -1}})

    caught_up(newest := revenue(orders, version=3, apply=add_twice))

    assert newest.state() == TWICE
    assert cursors.find_one({"_id": "projection:revenue~new"}) is None


def test_one_that_was_left_half_made_is_gone_on_with(orders: Outbox) -> None:
    put(orders, placed(10), placed(20), placed(30))
    caught_up(revenue(orders))
    cursor, last = orders.collections.cursors.find_one({"_id": "projection:revenue"}), orders.log.record_at(2)
    assert cursor is not None
    assert last is not None
    left = {"_id": "projection:revenue~new", "projection": {"version": 2, "since": 1}}
    at = {"seq": 2, "id": last.id, "created": last.created}
    orders.collections.cursors.insert_one({**cursor, **left, **at})
    state = {"count": 2, "total": 30, "double": 60}
    orders.collections.states.insert_one({"_id": "revenue~new", "version": 2, **at, "state": state})

    caught_up(newer := revenue(orders, version=2, apply=add_twice))

    assert newer.state() == TWICE

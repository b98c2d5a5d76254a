"""A pause is stored with the cursor, lasts through whatever is done to that, and ends with it."""

from __future__ import annotations

import pytest

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.mongo.lease import Lease
from outbox.shares.cursor_admin import forget, move
from outbox.shares.layout import load, request_shares
from outbox.shares.paused import PauseWatch, is_paused, set_paused
from relay import Relay
from relay.testing import MemorySink
from tests.actors.relay_thread import Relaying, given_cursor, numbered, run_once
from tests.waiting import wait_until

KAFKA = "relay:kafka"

pytestmark = pytest.mark.oldest_server


def test_a_reader_is_paused_and_resumed_as_often_as_one_likes(orders: Outbox) -> None:
    given_cursor(orders, 0)
    said = [is_paused(orders.collections, KAFKA)]
    for paused in (True, True, False, False):
        assert set_paused(orders.collections, KAFKA, paused)
        said.append(is_paused(orders.collections, KAFKA))

    assert said == [False, True, True, False, False]


def test_a_reader_that_has_not_begun_cannot_be_paused_and_nothing_is_left_of_the_attempt(orders: Outbox) -> None:
    assert not set_paused(orders.collections, KAFKA, True)

    assert orders.collections.cursors.find_one() is None


def test_it_is_one_reader_s_and_no_other_s(orders: Outbox) -> None:
    given_cursor(orders, 0)
    for other in ("relay:kafka2", "consumer:kafka"):
        move(orders.collections, other, 0, SystemClock())
    set_paused(orders.collections, KAFKA, True)

    assert [(each.id, each.paused) for each in orders.readers()] == [
        ("consumer:kafka", False),
        ("relay:kafka", True),
        ("relay:kafka2", False),
    ]


def test_moving_the_cursor_leaves_the_pause(orders: Outbox) -> None:
    numbered(orders, 3)
    given_cursor(orders, 1)
    set_paused(orders.collections, KAFKA, True)

    move(orders.collections, KAFKA, 2, SystemClock())

    assert is_paused(orders.collections, KAFKA)


def test_forgetting_the_cursor_ends_the_pause(orders: Outbox) -> None:
    given_cursor(orders, 0)
    set_paused(orders.collections, KAFKA, True)
    forget(orders.collections, KAFKA, SystemClock())
    given_cursor(orders, 0)

    assert not is_paused(orders.collections, KAFKA)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(("first", "then"), [(1, 3), (3, 2), (3, 1)])
def test_another_number_of_shares_leaves_the_pause(orders: Outbox, first: int, then: int) -> None:
    numbered(orders, 3)
    run_once(Relay(orders, MemorySink(), shares=first))
    set_paused(orders.collections, KAFKA, True)
    request_shares(orders.collections, KAFKA, then)

    with Relaying(Relay(orders, MemorySink(), lease_seconds=1.0)):
        wait_until(lambda: load(orders.collections, KAFKA)[:2] == (then, None), 60, "the change")

    assert load(orders.collections, KAFKA).paused


def test_what_a_beat_brings_says_that_somebody_paused_it(orders: Outbox) -> None:
    given_cursor(orders, 0)
    lease = Lease(orders.collections.leases, KAFKA)
    assert lease.acquire()
    pause = PauseWatch(orders.collections, KAFKA)
    assert not pause.is_on(lease)
    set_paused(orders.collections, KAFKA, True)
    assert not pause.has_changed(lease)

    lease.renew()

    assert pause.has_changed(lease)
    assert pause.is_on(lease)
    assert not pause.has_changed(lease)


def test_a_pause_between_the_beat_and_the_look_is_heard_of_at_the_next_beat(orders: Outbox) -> None:
    given_cursor(orders, 0)
    lease = Lease(orders.collections.leases, KAFKA)
    assert lease.acquire()
    set_paused(orders.collections, KAFKA, True)
    set_paused(orders.collections, KAFKA, False)
    pause = PauseWatch(orders.collections, KAFKA)
    assert not pause.is_on(lease)

    lease.renew()

    assert pause.has_changed(lease)

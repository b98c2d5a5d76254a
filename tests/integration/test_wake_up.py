"""Readers are woken at once, and when nothing wakes them they look for themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import Outbox
from outbox.log import Log
from outbox.tail import Tail
from tests.commands import watched
from tests.orders import MESSAGES, new_outbox, placed
from tests.subscriber import kill_cursors, live, tails
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB") as outbox:
        yield outbox


def _silent(tail: Tail, stop: threading.Event) -> None:
    """A tail whose cursor is open and never says anything, as on a node that was cut off."""
    tail.open = True
    stop.wait()


def _none(tail: Tail, stop: threading.Event) -> None:
    """A tail that cannot be opened."""
    stop.wait()


@pytest.mark.parametrize("run", [_silent, _none])
def test_a_silent_tail_costs_a_second_at_most(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, run: Callable[[Tail, threading.Event], None]
) -> None:
    """Goes red when a reader waits for the tail alone."""
    monkeypatch.setattr(Tail, "run", run)
    subscriber = live(orders)
    for n in range(1, 4):
        started = time.monotonic()
        orders.put(placed(n))
        subscriber.sees(*range(1, n + 1))
        assert time.monotonic() - started < 1.2 + 0.3


def test_a_live_tail_wakes_at_once(orders: Outbox) -> None:
    """Goes red when readers only look every second: the median shows it, whatever else the machine does."""
    subscriber = live(orders)
    wait_until(lambda: tails(orders) == 1, 5, "the tail to be open")
    delays = []
    for n in range(1, 12):
        started = time.monotonic()
        orders.put(placed(n))
        subscriber.sees(*range(1, n + 1))
        delays.append(time.monotonic() - started)

    assert sorted(delays)[5] < 0.4


def test_a_wake_up_that_comes_before_the_majority_is_not_lost(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when a reader that was woken in vain waits for the next ring: that would cost the whole second."""
    subscriber = live(orders)
    wait_until(lambda: tails(orders) == 1, 5, "the tail to be open")
    since, lag = Log.since, [0]

    def lagging(self: Log, *arguments: Any, **options: Any) -> Any:
        found = since(self, *arguments, **options)
        if found and lag[0]:
            lag[0] -= 1
            return []
        return found

    monkeypatch.setattr(Log, "since", lagging)
    delays = []
    for n in range(1, 6):
        lag[0] = 1
        started = time.monotonic()
        orders.put(placed(n))
        subscriber.sees(*range(1, n + 1))
        delays.append(time.monotonic() - started)

    assert sorted(delays)[2] < 0.5


def test_a_client_with_a_short_timeout_can_observe(mongo_uri: str, orders: Outbox) -> None:
    with (
        watched(mongo_uri, orders.collections.database, timeoutMS=2000) as (database, _),
        Outbox(database, messages=MESSAGES) as observed,
    ):
        subscriber = live(observed)
        orders.put(placed(1))
        subscriber.sees(1)
        wait_until(lambda: tails(orders) == 1, 5, "the tail to be open")


def test_the_bell_that_is_cut_for_good_costs_a_second_at_most(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change stream is refused from now on, as when the oplog has rolled past it."""
    subscriber = live(orders)
    monkeypatch.setattr("pymongo.synchronous.collection.Collection.watch", _refused)
    kill_cursors(orders, orders.collections.staging.name)
    for n in range(1, 4):
        started = time.monotonic()
        orders.put(placed(n))
        subscriber.sees(*range(1, n + 1))
        assert time.monotonic() - started < 1.5


def _refused(*_: Any, **__: Any) -> None:
    raise AutoReconnect("no change stream today")


def test_killed_cursors_are_opened_again(orders: Outbox) -> None:
    subscriber = live(orders)
    for n in range(1, 4):
        wait_until(lambda: tails(orders) == 1, 5, "the tail to be open")
        kill_cursors(orders, orders.collections.log.name)
        kill_cursors(orders, orders.collections.staging.name)
        orders.put(placed(n))
        subscriber.sees(*range(1, n + 1))

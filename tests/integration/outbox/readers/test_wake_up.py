"""Readers are woken at once, and when nothing wakes them they look for themselves.

How long a message takes says as much of the machine as of the code: of several the quickest ones count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import Outbox
from outbox.log.log import Log
from outbox.mongo.collections import Collections
from outbox.readers.tail import Tail
from outbox.sequencer.sequencer import Sequencer
from tests.actors.command_listener import watched
from tests.actors.order_service import MESSAGES, new_outbox, placed
from tests.actors.subscriber import Subscriber, kill_cursors, live, tails
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB") as outbox:
        yield outbox


@pytest.fixture
def observed(database: Database[Document], orders: Outbox) -> Iterator[Outbox]:
    """The outbox of a process that leaves sequencing to another."""
    with orders.running(), Outbox(database, messages=MESSAGES, sequence=False) as outbox:
        yield outbox


def _silent(tail: Tail, stop: threading.Event) -> None:
    """A tail whose cursor is open and never says anything, as on a node that was cut off."""
    tail._head.is_followed = True
    stop.wait()


def _none(tail: Tail, stop: threading.Event) -> None:
    """A tail that cannot be opened."""
    stop.wait()


@pytest.mark.parametrize("run", [_silent, _none])
def test_a_silent_tail_costs_a_second_at_most(
    observed: Outbox, monkeypatch: pytest.MonkeyPatch, run: Callable[[Tail, threading.Event], None]
) -> None:
    """Goes red when a reader waits for the tail alone."""
    monkeypatch.setattr(Tail, "run", run)

    assert _delays(observed, live(observed), 3)[0] < 1.5


def _delays(
    orders: Outbox, subscriber: Subscriber, messages: int, before: Callable[[], None] | None = None
) -> list[float]:
    """Seconds from put to subscriber of one message after the other, the shortest first."""
    delays = []
    for n in range(1, messages + 1):
        if before is not None:
            before()
        started = time.monotonic()
        orders.put(placed(n), standalone=True)
        subscriber.sees(*range(1, n + 1))
        delays.append(time.monotonic() - started)
    return sorted(delays)


def test_a_live_tail_wakes_at_once(observed: Outbox) -> None:
    """Goes red when readers only look every second: then all messages but perhaps one take about as long."""
    subscriber = live(observed)
    wait_until(lambda: tails(observed) == 2, 30, "the tails to be open")

    assert _delays(observed, subscriber, 12)[2] < 0.5


def test_the_process_that_sequences_wakes_its_own_readers(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when the sequencer does not announce what it has appended: here the tail is silent."""
    monkeypatch.setattr(Tail, "run", _silent)

    assert _delays(orders, live(orders), 12)[2] < 0.5


def test_what_this_process_appended_is_not_asked_for(mongo_uri: str, orders: Outbox) -> None:
    with (
        watched(mongo_uri, orders.collections.database) as (database, commands),
        Outbox(database, messages=MESSAGES) as own,
    ):
        subscriber = live(own)
        commands.clear()
        _delays(own, subscriber, 20)

        assert len([find for find in commands.of("find") if find["find"] == own.name]) < 10


def test_a_reader_sees_what_another_process_appends_after_it_took_over(
    database: Database[Document], orders: Outbox
) -> None:
    """However late its own sequencer learns that it is deposed."""
    subscriber = live(orders)
    other = Sequencer(Collections(database, "outbox"))
    database["outbox.leases"].update_one({"_id": "sequencer"}, {"$set": {"owner": None}})  # as if its time had run out
    wait_until(other.take_over, 30, "the lease")
    orders.put(placed(1), standalone=True)
    wait_until(lambda: other.sweep().messages, 30, "the message")

    subscriber.sees(1)
    other.release()


def test_a_wake_up_that_comes_before_the_majority_is_not_lost(
    observed: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when a reader that was woken in vain waits for the next ring: that would cost the whole second."""
    subscriber = live(observed)
    wait_until(lambda: tails(observed) == 2, 30, "the tails to be open")
    since, lag = Log.batches_from, [0]

    def lagging(self: Log, *arguments: Any, **options: Any) -> Any:
        found = since(self, *arguments, **options)
        if found and lag[0]:
            lag[0] -= 1
            return []
        return found

    def lag_once() -> None:
        lag[0] = 1

    monkeypatch.setattr(Log, "batches_from", lagging)

    assert _delays(observed, subscriber, 8, lag_once)[2] < 0.5


def test_a_client_with_a_short_timeout_can_observe(mongo_uri: str, orders: Outbox) -> None:
    with (
        watched(mongo_uri, orders.collections.database, timeoutMS=2000) as (database, _),
        Outbox(database, messages=MESSAGES) as observed,
    ):
        subscriber = live(observed)
        orders.put(placed(1), standalone=True)
        subscriber.sees(1)
        wait_until(lambda: tails(orders) == 1, 30, "the tail to be open")


def test_a_change_stream_that_is_cut_for_good_costs_a_second_at_most(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change stream is refused from now on, as when the oplog has rolled past it."""
    subscriber = live(orders)
    monkeypatch.setattr("pymongo.synchronous.collection.Collection.watch", _refused)
    kill_cursors(orders, orders.collections.staging.name)

    assert _delays(orders, subscriber, 3)[0] < 1.5


def _refused(*_: Any, **__: Any) -> None:
    raise AutoReconnect("no change stream today")


def test_killed_cursors_are_opened_again(observed: Outbox) -> None:
    subscriber = live(observed)
    for n in range(1, 4):
        wait_until(lambda: tails(observed) >= 1, 30, "a tail to be open")
        kill_cursors(observed, observed.collections.log.name)
        kill_cursors(observed, observed.collections.staging.name)
        observed.put(placed(n), standalone=True)
        subscriber.sees(*range(1, n + 1))

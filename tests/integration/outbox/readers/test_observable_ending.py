"""A subscription ends at once, and leaves no thread, session or cursor behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from reactivex import operators as ops
from reactivex.abc import DisposableBase

from outbox import Outbox, OutboxClosed, Record
from outbox.readers.reader import LogReader
from tests.actors.order_service import MESSAGES, new_outbox, placed, totals
from tests.actors.subscriber import Subscriber, cursors, subscribed, tails, telling, threads
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB") as outbox:
        yield outbox


def _seconds_to_end(orders: Outbox, subscription: DisposableBase) -> float:
    [thread] = [each for each in threading.enumerate() if each.name.startswith("outbox-observe")]
    started = time.monotonic()
    subscription.dispose()
    thread.join(30)
    return time.monotonic() - started


def test_dispose_stops_a_waiting_subscriber_within_300_ms(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when `dispose` does not wake it: it would sleep out its second. The machine may be busy: once of three
    times is enough."""
    waiting = threading.Event()
    monkeypatch.setattr(LogReader, "wait", telling(waiting))
    seconds = []
    for _ in range(3):
        subscription = orders.observe("earliest").subscribe()
        wait_until(lambda: tails(orders) == 1, 30, "the tail to be open")
        waiting.clear()
        assert waiting.wait(30)
        seconds.append(_seconds_to_end(orders, subscription))
        wait_until(lambda: threads() == [], 30, "all threads to end")

    assert min(seconds) < 0.3


def test_dispose_stops_a_busy_subscriber_within_300_ms(orders: Outbox) -> None:
    orders.put([placed(n) for n in range(1000)], standalone=True)
    orders.sequence()
    busy = threading.Event()
    seconds = []

    def on_next(record: Record[Any]) -> None:
        busy.set()
        threading.Event().wait(0.05)

    for _ in range(3):
        busy.clear()
        subscription = orders.observe("earliest").subscribe(on_next)
        assert busy.wait(30)
        seconds.append(_seconds_to_end(orders, subscription))

    assert min(seconds) < 0.3


def test_after_the_last_dispose_nothing_is_left(
    mongo_uri: str, orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thread, no session, and no cursor on the server."""
    sessions: list[ClientSession] = []
    start_session = MongoClient.start_session

    def counting(self: MongoClient[Any], *arguments: Any, **options: Any) -> ClientSession:
        sessions.append(start_session(self, *arguments, **options))
        return sessions[-1]

    monkeypatch.setattr(MongoClient, "start_session", counting)
    with MongoClient[Document](mongo_uri) as client:
        observed = Outbox(client[orders.collections.database.name], messages=MESSAGES)
        subscriptions = [observed.observe("earliest").subscribe() for _ in range(5)]
        subscriber = subscribed(observed, "earliest")
        orders.put(placed(1), standalone=True)
        subscriber.sees(1)
        wait_until(lambda: tails(orders) == 1, 30, "the tail to be open")

        for each in subscriptions:
            each.dispose()
        observed._subscriptions.complete(5)

        wait_until(lambda: threads() == [], 30, "the threads to end")
        wait_until(lambda: cursors(orders) == 0, 30, "the cursors to be closed")
        assert len(sessions) > 6
        assert [each for each in sessions if not each.has_ended] == []


def test_one_subscriber_and_fifty_share_one_tailable_cursor(orders: Outbox) -> None:
    one = subscribed(orders, "earliest")
    orders.put(placed(1), standalone=True)
    one.sees(1)
    wait_until(lambda: tails(orders) == 1, 30, "one tail")
    many = [subscribed(orders, "earliest") for _ in range(50)]
    for each in many:
        each.sees(1)

    orders.put(placed(2), standalone=True)
    for each in many:
        each.sees(1, 2)
    wait_until(lambda: tails(orders) == 1, 30, "no other tail")


def test_dispose_from_inside_on_next_delivers_no_more(orders: Outbox) -> None:
    orders.put([placed(n) for n in range(100)], standalone=True)
    orders.sequence()
    got: list[Record[Any]] = []
    orders.observe("earliest").pipe(ops.take(1)).subscribe(got.append)  # which disposes as it passes the first on

    wait_until(lambda: got, 30, "the first record")
    wait_until(lambda: threads() == [], 30, "the threads to end")
    assert totals(got) == [0]


def test_close_completes_every_subscriber(orders: Outbox) -> None:
    subscribers = [subscribed(orders, "earliest") for _ in range(3)]
    orders.put(placed(1), standalone=True)
    for each in subscribers:
        each.sees(1)
    orders.close()

    assert [(each.completions, each.errors) for each in subscribers] == [(1, [])] * 3
    assert threads() == []


def test_close_from_inside_on_next_completes_without_waiting_for_itself(orders: Outbox) -> None:
    """Goes red when `Feed.join` waits for threads that run as long as this very subscriber does."""
    closed_after: list[float] = []
    completed = threading.Event()

    def on_next(record: Record[Any]) -> None:
        started = time.monotonic()
        orders.close()
        closed_after.append(time.monotonic() - started)

    orders.observe("earliest").subscribe(on_next, on_completed=completed.set)
    orders.put([placed(1), placed(2)], standalone=True)

    assert completed.wait(30)
    assert len(closed_after) == 1
    assert closed_after[0] < 1.9, "a join gives up after 2 s"


def test_a_disposed_subscriber_is_told_nothing(orders: Outbox) -> None:
    subscriber = Subscriber()
    subscription = orders.observe("earliest").subscribe(subscriber)
    orders.put(placed(1), standalone=True)
    subscriber.sees(1)
    subscription.dispose()
    orders.close()

    assert (subscriber.completions, subscriber.errors) == (0, [])


def test_subscribing_after_close_is_an_error(orders: Outbox) -> None:
    observable = orders.observe()
    orders.close()
    subscriber = Subscriber()
    observable.subscribe(subscriber)

    assert [type(each) for each in subscriber.errors] == [OutboxClosed]
    assert threads() == []


def test_one_may_subscribe_again_after_the_last_was_disposed_of(orders: Outbox) -> None:
    for n in range(3):
        subscriber = Subscriber()
        subscription = orders.observe(n + 1 if n else "earliest").subscribe(subscriber)
        orders.put(placed(n), standalone=True)
        subscriber.sees(n)
        subscription.dispose()

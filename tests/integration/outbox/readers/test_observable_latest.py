"""'latest' is what it is when subscribe(), read() or reader() returns: whatever is put later is delivered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import Outbox, OutboxNotCreated
from outbox.history import source
from tests.actors.order_service import Document, new_outbox, placed, totals
from tests.actors.subscriber import subscribed
from tests.waiting import wait_until


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, sequence=False) as outbox:
        outbox.put(placed(0), standalone=True)
        outbox.sequence()
        yield outbox


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A machine on which the thread of a subscription gets its turn only when the event is set."""
    turn, opened = threading.Event(), source.open_reader

    def late(*arguments: Any) -> Any:
        assert turn.wait(60)
        return opened(*arguments)

    monkeypatch.setattr(source, "open_reader", late)
    yield turn
    turn.set()


def test_what_is_put_after_subscribe_has_returned_is_delivered(orders: Outbox, slow: threading.Event) -> None:
    subscriber = subscribed(orders, "latest")
    orders.put(placed(1), standalone=True)
    orders.sequence()
    slow.set()

    subscriber.sees(1)


def test_what_is_put_after_read_has_returned_is_read(orders: Outbox) -> None:
    records = orders.read("latest")
    orders.put(placed(1), standalone=True)
    orders.sequence()

    assert totals(list(records)) == [1]


def test_each_subscription_to_one_observable_begins_at_its_own_latest(orders: Outbox, slow: threading.Event) -> None:
    observable = orders.observe("latest")
    early: list[int] = []
    late: list[int] = []
    observable.subscribe(lambda record: early.append(record.seq))
    orders.put(placed(1), standalone=True)
    orders.sequence()
    observable.subscribe(lambda record: late.append(record.seq))
    orders.put(placed(2), standalone=True)
    orders.sequence()
    slow.set()

    wait_until(lambda: (early, late) == ([2, 3], [3]))


def test_a_server_that_does_not_answer_just_now_is_asked_again(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    head, fails = type(orders.log).head, [True]

    def flaky(self: Any, *arguments: Any) -> int:
        if fails:
            fails.pop()
            raise AutoReconnect("connection closed")
        return head(self, *arguments)

    monkeypatch.setattr(type(orders.log), "head", flaky)
    subscriber = subscribed(orders, "latest")

    def delivered() -> bool:
        orders.put(placed(1), standalone=True)
        orders.sequence()
        return bool(subscriber.records)

    wait_until(delivered)


def test_an_outbox_that_was_never_created_is_told_to_on_error(database: Database[Document]) -> None:
    errors: list[Exception] = []
    with Outbox(database, "other", sequence=False) as outbox:
        outbox.observe("latest").subscribe(on_error=errors.append)
        wait_until(lambda: [type(each) for each in errors] == [OutboxNotCreated])

"""Observing the log: where it starts, and what a subscriber is given."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.database import Database

from outbox import InvalidStart, Outbox, OutboxNotCreated
from outbox.readers.reader import LogReader
from tests.actors.command_listener import watched
from tests.actors.order_service import MESSAGES, StockCounted, new_outbox, placed
from tests.actors.subscriber import Subscriber, live, subscribed, tails, telling
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB") as outbox:
        yield outbox


def test_a_subscriber_gets_what_is_put_after_it(orders: Outbox) -> None:
    subscriber = live(orders)
    orders.put(placed(1), standalone=True)
    orders.put([placed(2), placed(3)], standalone=True)

    subscriber.sees(1, 2, 3)
    assert [each.seq for each in subscriber.records] == [2, 3, 4]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("earliest", [1, 2, 3, 9]),
        (2, [2, 3, 9]),
        (datetime(2020, 1, 1, tzinfo=UTC), [1, 2, 3, 9]),
        (4, [9]),
        ("latest", [9]),
    ],
)
def test_the_start_is_a_word_a_seq_or_a_date(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, start: Any, expected: list[int]
) -> None:
    orders.put([placed(1), placed(2), placed(3)], standalone=True)
    orders.sequence()
    waiting = threading.Event()
    monkeypatch.setattr(LogReader, "wait", telling(waiting))
    subscriber = subscribed(orders, start)
    assert waiting.wait(30)
    orders.put(placed(9), standalone=True)

    subscriber.sees(*expected)


def test_each_subscription_resolves_its_start_for_itself(orders: Outbox) -> None:
    observable = orders.observe("earliest")
    orders.put(placed(1), standalone=True)
    orders.sequence()
    first, second = Subscriber(), Subscriber()
    observable.subscribe(first)
    first.sees(1)
    observable.subscribe(second)

    second.sees(1)


def test_a_start_that_is_none_is_refused_at_once(orders: Outbox) -> None:
    for start in (0, True, "beginning"):
        with pytest.raises(InvalidStart):
            orders.observe(start)  # type: ignore[arg-type]  # wrong on purpose


def test_a_start_beyond_the_head_goes_to_on_error(orders: Outbox) -> None:
    subscriber = subscribed(orders, 7)

    wait_until(lambda: [type(each) for each in subscriber.errors] == [InvalidStart])


def test_observing_what_was_never_created_goes_to_on_error(database: Database[Document]) -> None:
    with Outbox(database) as orders:
        subscriber = subscribed(orders)

        wait_until(lambda: [type(each) for each in subscriber.errors] == [OutboxNotCreated])


def test_types_and_key_filter(orders: Outbox) -> None:
    subscriber = subscribed(orders, "earliest", types=["order.placed"], key="a")
    orders.put([placed(1, "a"), placed(2, "b"), StockCounted(count=1), placed(3, "a")], standalone=True)

    subscriber.sees(1, 3)


def test_no_process_sequences_when_told_not_to(database: Database[Document]) -> None:
    with new_outbox(database, sequence=False) as orders:
        orders.put(placed(1), standalone=True)
        subscriber = subscribed(orders, "earliest")
        wait_until(lambda: tails(orders) == 1, 30, "the tail to be open")

        assert orders.status().holder is None
        orders.sequence()
        subscriber.sees(1)


def test_subscribers_that_catch_up_together_fetch_each_part_of_the_log_once(mongo_uri: str, orders: Outbox) -> None:
    orders.put([placed(n) for n in range(4000)], standalone=True)
    orders.sequence()
    with (
        watched(mongo_uri, orders.collections.database) as (database, commands),
        Outbox(database, messages=MESSAGES, sequence=False) as own,
    ):
        subscribed(own)
        wait_until(lambda: own._feed.head.is_followed, 30, "the tail, at whose opening all is forgotten")
        commands.clear()
        many = [subscribed(own, "earliest") for _ in range(10)]
        for each in many:
            wait_until(lambda each=each: len(each.records) == 4000, 30, "all records")

    parts = [find["filter"]["_id"]["$gte"] for find in commands.of("find") if find.get("limit", 0) > 1]
    assert sorted(seq for seq in parts if seq <= 4000) == sorted({seq for seq in parts if seq <= 4000}) != []

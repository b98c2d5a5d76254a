"""A log that rolled over a subscriber, or became another, is loud."""

from __future__ import annotations

import threading
from typing import Any

from pymongo.database import Database

from outbox import HistoryLost, LogReplaced, Record
from tests.actors.order_service import new_outbox, placed
from tests.actors.subscriber import roll, subscribed, tails
from tests.waiting import wait_until

Document = dict[str, Any]


def test_a_subscriber_that_was_overrun_gets_history_lost_with_exact_numbers(database: Database[Document]) -> None:
    with new_outbox(database, capacity="8 MiB", sequence=False) as orders:
        orders.put([placed(1), placed(2)], standalone=True)
        orders.sequence()
        first, go_on = threading.Event(), threading.Event()
        errors: list[Any] = []

        def slow(record: Record[Any]) -> None:
            first.set()
            assert go_on.wait(30)

        orders.observe("earliest").subscribe(slow, errors.append)
        assert first.wait(30)
        roll(orders)
        oldest = orders.log.oldest()
        go_on.set()

        wait_until(lambda: errors, 30, "the error")
        assert isinstance(errors[0], HistoryLost)
        assert (errors[0].expected, errors[0].oldest) == (3, oldest)


def test_on_gap_lets_a_subscriber_go_on(database: Database[Document]) -> None:
    with new_outbox(database, capacity="8 MiB", sequence=False) as orders:
        roll(orders)
        gaps: list[HistoryLost] = []
        subscriber = subscribed(orders, 1, on_gap=gaps.append)
        wait_until(lambda: subscriber.records and subscriber.records[-1].seq == 14, 30, "the newest")

        assert [(each.expected, each.oldest) for each in gaps] == [(1, orders.log.oldest())]
        assert subscriber.errors == []


def test_on_gap_that_raises_ends_the_subscription(database: Database[Document]) -> None:
    with new_outbox(database, capacity="8 MiB", sequence=False) as orders:
        roll(orders)

        def refuse(lost: HistoryLost) -> None:
            raise KeyError(lost.expected)

        subscriber = subscribed(orders, 1, on_gap=refuse)
        assert type(wait_until(lambda: subscriber.errors, 30, "an error")[0]) is KeyError


def test_a_log_made_anew_under_a_live_subscriber_is_an_error(database: Database[Document]) -> None:
    """Goes red when `verify` is not called after the tail broke: it would wait for the new log to pass its position."""
    with new_outbox(database, sequence=False) as orders, new_outbox(database) as other:
        other.put([placed(n) for n in range(20)], standalone=True)
        other.sequence()
        subscriber = subscribed(orders, "earliest")
        subscriber.sees(*range(20))
        other.drop()
        other.create()
        other.put(placed(1), standalone=True)
        other.sequence()

        assert type(wait_until(lambda: subscriber.errors, 30, "an error")[0]) is LogReplaced
        assert len(subscriber.records) == 20


def test_a_log_that_was_only_dropped_is_an_error_too(database: Database[Document]) -> None:
    with new_outbox(database, sequence=False) as orders:
        orders.put(placed(1), standalone=True)
        orders.sequence()
        subscriber = subscribed(orders, "earliest")
        subscriber.sees(1)
        wait_until(lambda: tails(orders) == 1, 30, "the tail to be open")
        database.outbox.drop()

        assert type(wait_until(lambda: subscriber.errors, 30, "an error")[0]) is LogReplaced

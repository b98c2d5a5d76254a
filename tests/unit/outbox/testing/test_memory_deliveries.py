"""Consumers in memory: what they do beside what the contract suite holds."""

from __future__ import annotations

import threading

import pytest

from outbox import Record
from outbox.events import CaughtUp
from outbox.operators import caught_up
from outbox.testing import MemoryOutbox, MemorySession
from tests.actors.order_service import MESSAGES, placed, totals
from tests.actors.running import Handled, running
from tests.waiting import wait_until


@pytest.fixture
def orders() -> MemoryOutbox:
    return MemoryOutbox(messages=MESSAGES)


def test_attempts_follow_each_other_at_once(orders: MemoryOutbox) -> None:
    """With the pauses of the real one, thirty would take two minutes."""
    [first, _] = orders.put([placed(1, "a"), placed(2, "b")], standalone=True)
    fails = Handled(lambda record: ValueError("no") if record.seq == 1 else None)
    for concurrency in (1, 2):
        consumer = orders.consumer(f"c{concurrency}", attempts=30, concurrency=concurrency)
        with running(consumer, fails):
            consumer.wait_caught_up(60)

    assert fails.calls == 62
    assert orders.find(first).state == "dead"
    assert [letter.reader for letter in orders.dead_letters] == ["consumer:c1", "consumer:c2"]


@pytest.mark.parametrize("batch", [1, 10])
def test_what_a_transaction_puts_is_there_exactly_once(orders: MemoryOutbox, batch: int) -> None:
    bills = MemoryOutbox(messages=MESSAGES, name="bills")
    orders.put([placed(1), placed(2), placed(3)], standalone=True)
    failed: list[int] = []

    def bill(record: Record[object], session: MemorySession) -> None:
        bills.put(placed(record.seq * 10), session=session)
        if record.seq == 2 and len(failed) < 3:
            failed.append(record.seq)
            raise ValueError

    consumer = orders.consumer("billing")
    with running(consumer, bill, batch=batch):
        consumer.wait_caught_up(30)

    assert totals(bills.records) == [10, 20, 30]


def test_a_handler_may_not_end_its_transaction(orders: MemoryOutbox) -> None:
    orders.put(placed(1), standalone=True)
    consumer = orders.consumer("billing", attempts=1, on_poison="dead-letter")
    with running(consumer, lambda record, session: session.commit_transaction(), batch=1):
        consumer.wait_caught_up(30)

    assert "ended the transaction" in orders.dead_letters[0].reason


def test_what_is_observed_counts_when_it_is_acknowledged(orders: MemoryOutbox) -> None:
    orders.put([placed(1), placed(2), placed(3)], standalone=True)
    consumer = orders.consumer("billing")
    given: list[Record[object]] = []
    subscription = consumer.observe().subscribe(given.append)
    wait_until(lambda: len(given) == 3, 30)
    consumer.ack(given[1])
    consumer.ack(given[0])
    wait_until(lambda: consumer.position() == 2, 30, "the contiguous prefix")
    subscription.dispose()

    again = orders.consumer("billing")
    records: list[object] = []
    ended = threading.Event()
    again.observe().pipe(caught_up()).subscribe(records.append, on_completed=ended.set)
    wait_until(lambda: records, 30)
    again.ack(given[2])
    wait_until(lambda: CaughtUp(3) in records, 30, "the mark")
    again.stop()
    assert ended.wait(30)
    assert [record.seq for record in records if isinstance(record, Record)] == [3]


def test_what_an_observer_raises_ends_it(orders: MemoryOutbox) -> None:
    orders.put(placed(1), standalone=True)
    errors: list[Exception] = []

    def see(record: Record[object]) -> None:
        raise ZeroDivisionError

    orders.consumer("billing").observe().subscribe(see, errors.append)

    wait_until(lambda: errors, 30)
    assert isinstance(errors[0], ZeroDivisionError)


def test_closing_stops_a_consumer(orders: MemoryOutbox) -> None:
    with running(orders.consumer("billing"), Handled()) as work:
        orders.close()
        work.thread.join(30)
        assert not work.thread.is_alive()

"""A consumer as an Observable: the records come, and those that are acknowledged are remembered."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from outbox import Outbox, Record
from outbox.consumers import observed
from outbox.consumers.consumer import Consumer
from outbox.events import CaughtUp
from outbox.operators import caught_up
from tests.actors.order_service import placed
from tests.actors.running import put
from tests.actors.subscriber import Subscriber
from tests.waiting import wait_until


def put_some(orders: Outbox, count: int) -> None:
    put(orders, *(placed(total) for total in range(1, count + 1)))


def is_free(consumer: Consumer[object]) -> bool:
    consumer.join(20)
    return True


def test_the_position_moves_over_what_is_acknowledged_without_a_gap(orders: Outbox) -> None:
    put_some(orders, 3)
    billing, subscriber = orders.consumer("billing"), Subscriber()
    subscription = billing.observe().subscribe(subscriber)
    subscriber.sees(1, 2, 3)
    first, second, third = subscriber.records

    billing.ack(third)
    billing.ack(first)
    wait_until(lambda: billing.position() == 1, 20, "the first")
    billing.ack(second)
    wait_until(lambda: billing.position() == 3, 20, "all of them")
    subscription.dispose()
    assert is_free(billing)


def test_what_is_not_acknowledged_comes_again(orders: Outbox) -> None:
    put_some(orders, 3)
    billing, first, second = orders.consumer("billing"), Subscriber(), Subscriber()
    subscription = billing.observe().subscribe(first)
    first.sees(1, 2, 3)
    billing.ack(first.records[0])
    subscription.dispose()
    billing.join(20)

    subscription = billing.observe().subscribe(second)
    second.sees(2, 3)
    subscription.dispose()
    assert is_free(billing)


def test_an_ack_that_comes_too_late_changes_nothing(orders: Outbox) -> None:
    put_some(orders, 1)
    billing, subscriber = orders.consumer("billing"), Subscriber()
    subscription = billing.observe().subscribe(subscriber)
    subscriber.sees(1)
    subscription.dispose()
    billing.join(20)

    billing.ack(subscriber.records[0])

    assert billing.position() == 0


def test_no_more_than_a_window_is_given_and_not_acknowledged(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "WINDOW", 2)
    put_some(orders, 5)
    billing, subscriber = orders.consumer("billing"), Subscriber()
    subscription = billing.observe().subscribe(subscriber)
    subscriber.sees(1, 2)

    billing.ack(subscriber.records[1])
    subscriber.sees(1, 2, 3)

    subscription.dispose()
    assert is_free(billing)


def test_an_ack_inside_on_next_counts(orders: Outbox) -> None:
    put_some(orders, 50)
    billing = orders.consumer("billing")

    subscription = billing.observe().subscribe(on_next=billing.ack)

    wait_until(lambda: billing.position() == 50, 20, "the position")
    subscription.dispose()
    assert is_free(billing)


def test_behind_it_caught_up_marks_where_all_is_acknowledged(orders: Outbox) -> None:
    put_some(orders, 2)
    billing, seen = orders.consumer("billing"), list[Any]()

    def see(item: Any) -> None:
        seen.append(item if isinstance(item, CaughtUp) else item.seq)
        if not isinstance(item, CaughtUp):
            billing.ack(item)

    subscription = billing.observe().pipe(caught_up()).subscribe(see)
    wait_until(lambda: CaughtUp(2) in seen, 30, "the mark")
    put_some(orders, 1)
    wait_until(lambda: CaughtUp(3) in seen, 30, "the second mark")
    subscription.dispose()

    assert seen == [1, 2, CaughtUp(2), 3, CaughtUp(3)]
    assert is_free(billing)


def test_shares_give_their_records_one_at_a_time(orders: Outbox) -> None:
    """RxPY's operators rely on it. Each call waits a little for another to come in, which must not happen."""
    put(orders, *(placed(total, f"k{total}") for total in range(1, 17)))
    billing, seen, threads = orders.consumer("billing", shares=4), list[int](), set[int]()
    inside, crowded = threading.Semaphore(1), threading.Event()

    def see(record: Record[Any]) -> None:
        if inside.acquire(blocking=False):
            crowded.wait(0.1)
            inside.release()
        else:
            crowded.set()
        seen.append(record.seq)
        threads.add(threading.get_ident())
        billing.ack(record)

    subscription = billing.observe().subscribe(see)
    wait_until(lambda: len(seen) == 16, 30, "all of them")
    subscription.dispose()

    assert not crowded.is_set()
    assert len(threads) > 1
    assert is_free(billing)

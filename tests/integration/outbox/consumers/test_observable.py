"""The life of a consumer's subscription: how it ends, and who is told."""

from __future__ import annotations

from typing import Any

from outbox import InvalidConsumer, Outbox, Record
from tests.actors.order_service import placed
from tests.actors.running import put
from tests.actors.subscriber import Subscriber
from tests.waiting import wait_until


def test_nothing_runs_before_somebody_subscribes(orders: Outbox) -> None:
    orders.consumer("billing").observe()

    assert orders.readers() == []


def test_stop_completes_it(orders: Outbox) -> None:
    put(orders, placed(1))
    billing, subscriber = orders.consumer("billing"), Subscriber()
    billing.observe().subscribe(subscriber)
    subscriber.sees(1)

    billing.stop()

    wait_until(lambda: subscriber.completions == 1, 20, "its completion")
    assert subscriber.errors == []


def test_one_that_is_disposed_of_is_told_nothing_more(orders: Outbox) -> None:
    put(orders, placed(1))
    billing, subscriber = orders.consumer("billing"), Subscriber()
    subscription = billing.observe().subscribe(subscriber)
    subscriber.sees(1)

    subscription.dispose()
    billing.join(20)

    assert (subscriber.completions, subscriber.errors) == (0, [])


def test_what_on_next_raises_goes_to_on_error_and_the_record_comes_again(orders: Outbox) -> None:
    put(orders, placed(1))
    billing, again, errors = orders.consumer("billing"), Subscriber(), []
    failure = ValueError("no")

    def fails(_: Record[Any]) -> None:
        raise failure

    billing.observe().subscribe(on_next=fails, on_error=errors.append)
    wait_until(lambda: errors, 20, "the error")
    assert errors == [failure]
    billing.join(20)

    subscription = billing.observe().subscribe(again)
    again.sees(1)
    subscription.dispose()
    billing.join(20)


def test_a_second_subscription_beside_the_first_is_refused(orders: Outbox) -> None:
    put(orders, placed(1))
    billing, first, second = orders.consumer("billing"), Subscriber(), Subscriber()
    billing.observe().subscribe(first)
    first.sees(1)

    billing.observe().subscribe(second)

    wait_until(lambda: second.errors, 20, "its error")
    assert isinstance(second.errors[0], InvalidConsumer)
    billing.stop()
    billing.join(20)

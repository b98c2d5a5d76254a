"""What reads an outbox in this process ends with it."""

from __future__ import annotations

from outbox import Outbox
from tests.actors.order_service import placed
from tests.actors.running import Handled, put, running
from tests.actors.subscriber import Subscriber
from tests.waiting import wait_until


def test_closing_the_outbox_ends_it(orders: Outbox) -> None:
    put(orders, placed(1))
    handled = Handled()
    with running(orders.consumer("billing"), handled) as work:
        handled.sees(1)
        orders.close()
        work.thread.join(20)
        assert not work.thread.is_alive()


def test_closing_it_ends_a_consumer_that_is_observed_before_the_client_may_be_closed(orders: Outbox) -> None:
    put(orders, placed(1))
    subscriber = Subscriber()
    orders.consumer("billing").observe().subscribe(subscriber)
    subscriber.sees(1)

    orders.close()

    assert orders.collections.leases.find_one({"_id": "consumer:billing", "owner": None}) is not None
    wait_until(lambda: subscriber.completions == 1, 20, "its completion")

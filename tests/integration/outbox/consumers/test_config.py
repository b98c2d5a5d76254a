"""What a consumer says when it cannot go on where it was."""

from __future__ import annotations

import pytest
from bson import ObjectId

from outbox import CursorMismatch, InvalidConsumer, Outbox, OutboxNotCreated
from outbox.shares.paused import set_paused
from tests.actors.order_service import placed
from tests.actors.running import Handled, put, running


def test_a_log_that_is_another_one_ends_it_with_the_ways_on(orders: Outbox) -> None:
    put(orders, placed(1), placed(2))
    billing = orders.consumer("billing")
    with running(billing, Handled()):
        billing.wait_caught_up(20)
    orders.collections.cursors.update_one({"_id": billing.id}, {"$set": {"id": ObjectId()}})

    with running(billing, Handled()) as work:
        error = work.fails()

    assert isinstance(error, CursorMismatch)
    assert "`outbox readers APP reset consumer:billing --to earliest`" in str(error.__notes__)
    assert "`outbox readers APP forget consumer:billing`" in str(error.__notes__)


def test_an_outbox_that_was_never_created_ends_it_at_the_start(orders: Outbox) -> None:
    orders.drop()

    with running(orders.consumer("billing"), Handled()) as work:
        assert isinstance(work.fails(), OutboxNotCreated)


def test_another_number_of_shares_than_it_has_is_refused(orders: Outbox) -> None:
    put(orders, placed(1))
    with running(orders.consumer("billing", shares=2), Handled()):
        orders.consumer("billing").wait_caught_up(30)

    with running(orders.consumer("billing", shares=3), Handled()) as work:
        error = work.fails()

    assert isinstance(error, InvalidConsumer)
    assert "consumer:billing has 2 share(s), not 3: leave shares= out" in str(error)


def test_its_shares_handle_each_message_once(orders: Outbox) -> None:
    put(orders, *(placed(total, order_id=str(total)) for total in range(1, 31)))
    handled, billing = Handled(), orders.consumer("billing", shares=3)

    with running(billing, handled):
        billing.wait_caught_up(30)

    assert sorted(handled.seqs) == list(range(1, 31))
    [status] = orders.readers()
    assert (status.id, status.shares, status.position) == ("consumer:billing", 3, 30)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_paused_consumer_handles_nothing_until_it_is_resumed(orders: Outbox, concurrency: int) -> None:
    put(orders, placed(1))
    handled, billing = Handled(), orders.consumer("billing", concurrency=concurrency)
    with running(billing, handled):
        handled.sees(1)
    assert set_paused(orders.collections, billing.id, True)

    with running(billing, handled):
        put(orders, placed(2))
        [status] = orders.readers()
        assert (status.paused, handled.seqs) == (True, [1])
        set_paused(orders.collections, billing.id, False)
        handled.sees(1, 2)

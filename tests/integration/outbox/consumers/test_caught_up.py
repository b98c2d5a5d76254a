"""The wait until a consumer has handled what was there when the wait began."""

from __future__ import annotations

import pytest

from outbox import Outbox, WaitTimeout
from tests.actors.order_service import placed
from tests.actors.running import Handled, put, running


def test_a_wait_to_catch_up_counts_what_has_no_number_yet(orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    billing, handled = orders.consumer("billing"), Handled()

    with running(billing, handled):
        with pytest.raises(WaitTimeout, match="wait in staging"):
            billing.wait_caught_up(0.2)
        orders.sequence()
        billing.wait_caught_up(20)

    assert handled.seqs == [1]


def test_a_wait_in_vain_says_how_far_it_is(orders: Outbox) -> None:
    put(orders, placed(1), placed(2))

    with pytest.raises(
        WaitTimeout, match="consumer:billing has not caught up within 0.1 s: it has not begun, and was to"
    ):
        orders.consumer("billing").wait_caught_up(0.1)


def test_what_is_put_after_the_call_is_not_waited_for(orders: Outbox) -> None:
    put(orders, placed(1))
    billing, seen = orders.consumer("billing"), Handled()

    def puts_more(record: object) -> None:
        seen(record)  # type: ignore[arg-type]  # of a test
        if len(seen.records) < 200:
            put(orders, placed(0))

    with running(billing, puts_more):
        billing.wait_caught_up(20)


def test_messages_that_are_put_aside_count_as_passed(orders: Outbox) -> None:
    put(orders, placed(1))
    billing = orders.consumer("billing", attempts=1)

    with running(billing, Handled(lambda _: ValueError("no"))):
        billing.wait_caught_up(20)

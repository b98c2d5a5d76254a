"""A consumer of every kind, and its log: made anew, dropped, held back by it, and let go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import LogReplaced, Outbox
from tests.actors.order_service import placed
from tests.actors.running import WAYS, Handled, consuming, put, running
from tests.actors.small_log import make_log_anew, put_large, small_outbox
from tests.waiting import wait_until

ANY_WAY = pytest.mark.parametrize("way", WAYS)


def begun(work: Any, handled: Handled, orders: Outbox) -> None:
    """Two records are handled, and that is saved."""
    put(orders, placed(1, "a"), placed(2, "b"))
    consumer, running = work
    wait_until(lambda: consumer.position() == 2 or running.error, 30, "two to be handled")
    assert sorted(handled.seqs) == [1, 2]


@ANY_WAY
def test_a_log_that_is_made_anew_ends_it_and_nothing_of_that_is_handled(orders: Outbox, way: str) -> None:
    handled = Handled()
    with consuming(orders, way, handled) as work:
        begun(work, handled, orders)
        make_log_anew(orders)
        put(orders, *(placed(total) for total in range(5)))
        error = work[1].fails()

    assert isinstance(error, LogReplaced)
    assert "`outbox readers APP reset consumer:billing --to earliest` goes on" in str(error.__notes__)
    assert sorted(handled.seqs) == [1, 2]


@ANY_WAY
def test_after_a_reset_it_handles_all_of_the_new_log(orders: Outbox, way: str) -> None:
    handled, later = Handled(), Handled()
    with consuming(orders, way, handled) as work:
        begun(work, handled, orders)
        make_log_anew(orders)
        work[1].fails()
    put(orders, *(placed(total) for total in range(3)))

    orders.consumer("billing").reset("earliest")
    with consuming(orders, way, later):
        wait_until(lambda: sorted(later.seqs) == [1, 2, 3], 30, "the new log to be handled")


@ANY_WAY
def test_a_log_that_is_only_dropped_ends_it(orders: Outbox, way: str) -> None:
    handled = Handled()
    with consuming(orders, way, handled) as work:
        begun(work, handled, orders)
        orders.collections.log.drop()
        error = work[1].fails()

    assert isinstance(error, LogReplaced)


@pytest.fixture
def small(database: Database[dict[str, Any]]) -> Iterator[Outbox]:
    with small_outbox(database) as outbox:
        yield outbox


@pytest.mark.parametrize("paused", [False, True])
def test_one_that_does_not_work_holds_the_log_and_is_named_and_forget_lets_go(
    small: Outbox, caplog: pytest.LogCaptureFixture, paused: bool
) -> None:
    billing, handled = small.consumer("billing"), Handled()
    put(small, placed(1))
    with running(billing, handled):
        wait_until(lambda: billing.position() == 1, 30, "one to be handled")
    if paused:
        small.collections.cursors.update_one({"_id": billing.id}, {"$set": {"paused": True}})

    with small.running():
        put_large(small, 20)
        wait_until(lambda: "the sequencer waits for it" in caplog.text, 60, "the warning")
        held = small.log.oldest()
        assert billing.forget()
        wait_until(lambda: small.log.oldest() > 2, 60, "the log to roll over")

    warnings = [each.getMessage() for each in caplog.records if "consumer:billing" in each.getMessage()]
    assert held <= 2
    assert warnings
    assert any("outbox readers APP resume consumer:billing" in each for each in warnings) == paused

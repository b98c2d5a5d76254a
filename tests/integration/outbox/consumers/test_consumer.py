"""A consumer: what its handler gets, from where on, and what is remembered."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from outbox import CursorInUse, InvalidConsumer, InvalidName, InvalidSelector, InvalidStart, Outbox
from outbox.events import Event, Standby, TookOver
from tests.actors.order_service import OrderCancelled, OrderPlaced, StockCounted, placed
from tests.actors.running import Handled, put, running
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server


def test_it_handles_every_message_from_the_earliest_on_in_order(orders: Outbox) -> None:
    put(orders, placed(1), placed(2), placed(3))
    handled = Handled()

    with running(orders.consumer("billing"), handled):
        handled.sees(1, 2, 3)
        put(orders, placed(4))
        handled.sees(1, 2, 3, 4)

    assert [record.message.total for record in handled.records] == [1, 2, 3, 4]


def test_after_a_stop_it_goes_on_where_it_was(orders: Outbox) -> None:
    put(orders, placed(1), placed(2))
    billing, first, second = orders.consumer("billing"), Handled(), Handled()
    with running(billing, first):
        first.sees(1, 2)
    put(orders, placed(3))

    with running(billing, second):
        second.sees(3)

    assert billing.position() == 3


def test_what_was_not_acknowledged_comes_again(orders: Outbox) -> None:
    put(orders, placed(1), placed(2))
    second, billing = Handled(), orders.consumer("billing")

    def interrupted(record: Any) -> None:
        if record.seq == 2:
            raise KeyboardInterrupt

    with running(billing, interrupted) as work:
        assert isinstance(work.fails(), KeyboardInterrupt)
    assert billing.position() == 1

    with running(billing, second):
        second.sees(2)


def test_two_consumers_know_nothing_of_each_other(orders: Outbox) -> None:
    put(orders, placed(1))
    billing, shipping = Handled(), Handled()

    with running(orders.consumer("billing"), billing), running(orders.consumer("shipping"), shipping):
        billing.sees(1)
        shipping.sees(1)


def test_only_the_chosen_types_and_the_chosen_key_come_and_the_position_passes_the_rest(orders: Outbox) -> None:
    put(orders, OrderPlaced(order_id="a"), OrderCancelled(order_id="a"), OrderPlaced(order_id="b"), StockCounted())
    of_type, of_key = Handled(), Handled()
    cancelled, of_a = orders.consumer("c", types=[OrderCancelled]), orders.consumer("a", key="a")

    with running(cancelled, of_type), running(of_a, of_key):
        of_type.sees(2)
        of_key.sees(1, 2)
        wait_until(lambda: cancelled.position() == of_a.position() == 4, 20, "the positions")


@pytest.mark.parametrize(("start", "seqs"), [("earliest", [1, 2, 3]), (2, [2, 3]), ("latest", [])])
def test_it_begins_where_start_says(orders: Outbox, start: Any, seqs: list[int]) -> None:
    put(orders, placed(1), placed(2), placed(3))
    handled, billing = Handled(), orders.consumer("billing", start=start)

    with running(billing, handled):
        wait_until(lambda: billing.position() == 3, 20, "it to catch up")
        put(orders, placed(4))
        handled.sees(*seqs, 4)


def test_start_is_for_the_first_time_only(orders: Outbox) -> None:
    put(orders, placed(1), placed(2))
    with running(orders.consumer("billing"), Handled()):
        orders.consumer("billing").wait_caught_up(20)
    handled = Handled()

    with running(orders.consumer("billing", start=1), handled):
        put(orders, placed(3))
        handled.sees(3)


def test_reset_makes_it_handle_them_again(orders: Outbox) -> None:
    put(orders, placed(1), placed(2), placed(3))
    billing, again = orders.consumer("billing"), Handled()
    with running(billing, Handled()):
        billing.wait_caught_up(20)

    assert billing.reset(1) == 1
    with running(billing, again):
        again.sees(2, 3)
    assert billing.reset("latest") == 3
    assert billing.reset("earliest") == 0


def test_it_cannot_be_moved_or_forgotten_while_it_runs(orders: Outbox) -> None:
    put(orders, placed(1))
    billing, handled = orders.consumer("billing"), Handled()

    with running(billing, handled):
        handled.sees(1)
        with pytest.raises(CursorInUse):
            billing.reset("earliest")
        with pytest.raises(CursorInUse):
            billing.forget()


def test_forget_removes_its_position(orders: Outbox) -> None:
    put(orders, placed(1))
    billing = orders.consumer("billing")
    with running(billing, Handled()):
        billing.wait_caught_up(20)

    assert billing.forget()

    assert (billing.position(), billing.forget(), orders.readers()) == (None, False, [])


def test_it_is_a_durable_reader_like_the_others(orders: Outbox) -> None:
    put(orders, placed(1))
    id = orders.put(placed(2), standalone=True)
    orders.sequence()
    billing = orders.consumer("billing")
    with running(billing, Handled()):
        orders.wait_for(id, reader="consumer:billing", timeout=20)

    [status] = orders.readers()
    assert (status.id, status.kind, status.position, status.lag) == ("consumer:billing", "consumer", 2, 0)
    assert orders.find(id).passed == ("consumer:billing",)


def test_one_that_runs_is_not_run_twice_by_the_same_object(orders: Outbox) -> None:
    billing, handled = orders.consumer("billing"), Handled()
    put(orders, placed(1))

    with running(billing, handled):
        handled.sees(1)
        with pytest.raises(InvalidConsumer, match="runs already in this process"):
            billing.run(handled)


def test_another_one_of_the_name_stands_by_and_takes_over(orders: Outbox, soon: None) -> None:
    put(orders, placed(1))
    first, second = Handled(), Handled()
    with running(orders.consumer("billing"), first):
        first.sees(1)
        with running(orders.consumer("billing"), second) as standby:
            put(orders, placed(2))
            first.sees(1, 2)
            assert second.seqs == []
            # the first is stopped by its own `with` only later: the second is, here
            assert standby.error is None


def test_a_stop_that_is_given_ends_it(orders: Outbox) -> None:
    stop = threading.Event()
    stop.set()

    orders.consumer("billing").run(print, stop=stop)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"name": "a b"}, InvalidName, "consumer:a b"),
        ({"name": ""}, InvalidName, "consumer:"),
        ({"name": 7}, InvalidName, "not 7"),
        ({"name": None}, InvalidName, "not None"),
        ({"shares": 0}, InvalidConsumer, "shares=0"),
        ({"shares": 2.5}, InvalidConsumer, "shares=2.5"),
        ({"concurrency": 0}, InvalidConsumer, "concurrency=0"),
        ({"concurrency": True}, InvalidConsumer, "concurrency=True"),
        ({"attempts": 0}, InvalidConsumer, "attempts=0"),
        ({"on_poison": "skip"}, InvalidConsumer, "'park-key', 'dead-letter', 'stop'"),
        ({"on_event": 3}, InvalidConsumer, "on_event=3"),
        ({"start": "oldest"}, InvalidStart, "'oldest'"),
        ({"start": 0}, InvalidStart, "start=0"),
        ({"types": "order.placed"}, InvalidSelector, "types='order.placed'"),
    ],
)
def test_arguments_that_cannot_be_are_refused_at_once(
    orders: Outbox, arguments: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as refused:
        orders.consumer(**{"name": "billing", **arguments})

    assert says in str(refused.value)


def test_a_handler_that_is_no_function_is_refused(orders: Outbox) -> None:
    handler: Any = "billing"

    with pytest.raises(InvalidConsumer, match="'billing' is no handler"):
        orders.consumer("billing").run(handler)


def test_a_handler_for_the_other_way_to_run_is_refused_before_it_can_fail_at_every_message(orders: Outbox) -> None:
    put(orders, placed(1))
    billing = orders.consumer("billing")

    with pytest.raises(InvalidConsumer, match="missing .* 'session'; give a function of a record$"):
        billing.run(lambda record, session: None)  # type: ignore[misc, arg-type]
    with pytest.raises(InvalidConsumer, match="too many .*; give a function of a record and a session"):
        billing.run_in_transaction(lambda record: None)  # type: ignore[misc, arg-type]

    assert billing.position() is None


def test_a_stop_that_is_no_event_is_refused(orders: Outbox) -> None:
    stop: Any = True

    with pytest.raises(InvalidConsumer, match="stop=True: give a threading.Event"):
        orders.consumer("billing").run(print, stop=stop)


def test_a_coroutine_function_is_refused_as_its_calls_would_do_nothing(orders: Outbox) -> None:
    async def handle(record: object) -> None: ...

    with pytest.raises(InvalidConsumer, match="only makes a coroutine"):
        orders.consumer("billing").run(handle)


def test_transactions_and_concurrency_do_not_go_together(orders: Outbox) -> None:
    with pytest.raises(InvalidConsumer, match="concurrency=2 and run_in_transaction"):
        orders.consumer("billing", concurrency=2).run_in_transaction(print)


def test_with_shares_it_tells_of_each_that_it_takes_over_and_that_it_stands_by(orders: Outbox) -> None:
    heard: list[list[Event]] = [[], [], []]
    first, second, third = (orders.consumer("billing", shares=2, on_event=each.append) for each in heard)

    with running(first, Handled()):
        wait_until(lambda: heard[0].count(TookOver()) == 2, 30, "both shares to be taken over")
        with running(second, Handled()), running(third, Handled()):
            wait_until(lambda: TookOver() in heard[1] + heard[2], 30, "one to be given to another")
            told = [event for each in heard for event in each if isinstance(event, Standby)]

    assert told, "of three, one stands by"
    known = [event.holder for event in told if event.holder is not None]
    assert all(f":{os.getpid()}:" in holder for holder in known)

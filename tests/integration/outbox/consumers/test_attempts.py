"""What becomes of a message whose handler fails: tried again, put aside, or the end of the consumer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from outbox import Outbox, Record, Reject
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.errors import PoisonMessage
from outbox.events import Event, Failed, Parked
from tests.actors.order_service import OrderPlaced
from tests.actors.running import Handled, put, running
from tests.waiting import wait_until

HOW = pytest.mark.parametrize("how", [{}, {"concurrency": 4}, {"batch": 1}, {"batch": 10}], ids=str)


def of(key: str, total: int = 0) -> OrderPlaced:
    return OrderPlaced(order_id=key, total=total)


def fails_for(
    key: str, times: int = 10**9, error: Exception | None = None
) -> Callable[[Record[Any]], Exception | None]:
    left = [times]

    def fails(record: Record[Any]) -> Exception | None:
        if record.key != key or left[0] == 0:
            return None
        left[0] -= 1
        return error or ValueError(f"no {key}")

    return fails


def split(how: dict[str, int], **more: Any) -> tuple[dict[str, Any], dict[str, int]]:
    """The arguments of the consumer, and of its run."""
    return {**{name: each for name, each in how.items() if name != "batch"}, **more}, {
        name: each for name, each in how.items() if name == "batch"
    }


def letters(orders: Outbox, name: str = "billing") -> list[tuple[int, str]]:
    admin = DeadLetterAdmin(orders.collections, f"consumer:{name}")
    return [(int(letter["seq"]), letter["state"]) for letter in admin.letters(Selection())]


@HOW
def test_a_failing_handler_is_called_again_and_its_key_keeps_its_order(orders: Outbox, how: dict[str, int]) -> None:
    put(orders, of("a"), of("b"), of("a"), of("b"))
    handled = Handled(fails_for("a", times=2))
    made, run = split(how)

    with running(orders.consumer("billing", **made), handled, **run):
        wait_until(lambda: len(handled.records) >= 4, 20, "all")

    by_key = {key: [each.seq for each in handled.records if each.key == key] for key in "ab"}
    assert by_key["a"][-2:] == [1, 3]
    assert by_key["b"][-2:] == [2, 4]
    assert letters(orders) == []


@HOW
def test_after_the_last_attempt_its_key_is_parked_and_the_others_flow(orders: Outbox, how: dict[str, int]) -> None:
    put(orders, of("a"), of("b"), of("a"), of("c"), of("a"))
    handled = Handled(fails_for("a"))
    made, run = split(how, attempts=3)
    billing = orders.consumer("billing", **made)

    with running(billing, handled, **run):
        wait_until(lambda: billing.position() == 5, 20, "the position")

    assert {each.key for each in handled.records} == {"b", "c"}
    assert letters(orders) == [(1, "dead"), (3, "parked"), (5, "parked")]


@HOW
def test_reject_gives_a_message_up_at_once(orders: Outbox, how: dict[str, int]) -> None:
    put(orders, of("a"), of("b"))
    handled = Handled(fails_for("a", error=Reject("unknown customer")))
    made, run = split(how, attempts=None)
    billing = orders.consumer("billing", **made)

    with running(billing, handled, **run):
        wait_until(lambda: billing.position() == 2, 20, "the position")

    [letter] = DeadLetterAdmin(orders.collections, "consumer:billing").letters(Selection())
    assert letter["error"] == {"code": "refused", "reason": "rejected: unknown customer"}


@HOW
def test_dead_letter_lets_later_messages_of_the_key_through(orders: Outbox, how: dict[str, int]) -> None:
    put(orders, of("a"), of("a", 1), of("b"))
    handled = Handled(lambda record: ValueError("no") if record.seq == 1 else None)
    made, run = split(how, attempts=2, on_poison="dead-letter")
    billing = orders.consumer("billing", **made)

    with running(billing, handled, **run):
        wait_until(lambda: billing.position() == 3, 20, "the position")

    assert {2, 3} <= set(handled.seqs)
    assert letters(orders) == [(1, "dead")]


@HOW
def test_stop_ends_it_before_the_message(orders: Outbox, how: dict[str, int]) -> None:
    put(orders, of("b"), of("a"), of("c"))
    made, run = split(how, attempts=2, on_poison="stop")
    billing = orders.consumer("billing", **made)

    with running(billing, Handled(fails_for("a")), **run) as work:
        error = work.fails()

    assert isinstance(error, PoisonMessage)
    assert "cannot be handled: its handler failed 2 times, at last with ValueError: no a" in str(error)
    assert "outbox readers APP reset consumer:billing --to 2" in str(error.__notes__)
    assert billing.position() == 1


def test_a_server_that_is_away_counts_for_no_attempt(orders: Outbox) -> None:
    put(orders, of("a"))
    handled = Handled(fails_for("a", times=4, error=AutoReconnect("away")))

    with running(orders.consumer("billing", attempts=2), handled):
        handled.sees(1)

    assert handled.calls == 5


@HOW
def test_what_was_put_aside_is_handled_once_it_is_requeued_before_newer_ones_of_its_key(
    orders: Outbox, how: dict[str, int], soon_looking: None
) -> None:
    put(orders, of("a"), of("a"), of("b"))
    mended: list[bool] = []
    handled = Handled(lambda record: None if mended or record.key != "a" else ValueError("no"))
    made, run = split(how, attempts=2)
    billing = orders.consumer("billing", types=[OrderPlaced], **made)

    with running(billing, handled, **run):
        wait_until(lambda: letters(orders) == [(1, "dead"), (2, "parked")], 20, "the letters")
        mended.append(True)
        DeadLetterAdmin(orders.collections, "consumer:billing").requeue(Selection(key="a"))
        put(orders, of("a"))
        wait_until(lambda: [each.seq for each in handled.records if each.key == "a"] == [1, 2, 4], 20, "all of a")

    assert handled.records[-1].message.order_id == "a"
    wait_until(lambda: letters(orders) == [], 20, "no letters")


def test_two_consumers_may_put_the_same_message_aside(orders: Outbox) -> None:
    put(orders, of("a"))
    consumers = [orders.consumer(name, attempts=1) for name in ("billing", "shipping")]

    for consumer in consumers:
        with running(consumer, Handled(fails_for("a"))):
            wait_until(lambda consumer=consumer: consumer.position() == 1, 20, "it to be put aside")

    assert letters(orders, "billing") == letters(orders, "shipping") == [(1, "dead")]
    assert [(each.id, each.dead_letters) for each in orders.readers()] == [
        ("consumer:billing", 1),
        ("consumer:shipping", 1),
    ]


def test_no_record_is_handled_twice_because_another_key_was_put_aside(orders: Outbox) -> None:
    put(orders, of("a"), *(of(f"b{number}") for number in range(50)))
    handled = Handled(fails_for("a"))
    billing = orders.consumer("billing", concurrency=4, attempts=3)

    with running(billing, handled):
        wait_until(lambda: billing.position() == 51, 20, "the position")

    assert sorted(handled.seqs) == list(range(2, 52))


def test_failures_and_what_is_put_aside_are_told(orders: Outbox) -> None:
    put(orders, of("a"))
    told: list[Event] = []
    billing = orders.consumer("billing", attempts=2, on_event=told.append)

    with running(billing, Handled(fails_for("a"))):
        wait_until(lambda: billing.position() == 1, 20, "the position")

    failures = [each for each in told if isinstance(each, Failed)]
    assert [(each.record.seq, str(each.error), each.attempt) for each in failures] == [(1, "no a", 1), (1, "no a", 2)]
    assert [each.record.seq for each in told if isinstance(each, Parked)] == [1]


@HOW
def test_each_message_put_aside_is_told_with_its_body_also_one_behind_another(
    orders: Outbox, how: dict[str, int]
) -> None:
    put(orders, of("a", 1), of("b", 2), of("a", 3), of("b", 4), of("a", 5))
    told: list[Event] = []
    made, run = split(how, attempts=1, on_event=told.append)
    billing = orders.consumer("billing", **made)

    with running(billing, Handled(fails_for("a")), **run):
        wait_until(lambda: billing.position() == 5, 20, "the position")

    parked = [each.record for each in told if isinstance(each, Parked)]
    assert [(record.seq, record.message.total) for record in parked] == [(1, 1), (3, 3), (5, 5)]

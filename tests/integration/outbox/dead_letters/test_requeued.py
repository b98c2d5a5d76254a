"""Letters that an operator requeued are sent, in order, and are letters no more."""

from __future__ import annotations

from typing import Any

from outbox import Outbox
from outbox.dead_letters.admin import Selection
from relay.testing import MemorySink
from tests.actors.price_service import arrived, dead_letter_admin, put, refuse, relay, states
from tests.actors.relay_thread import Relaying, run_once
from tests.waiting import wait_until

Document = dict[str, Any]


def test_a_requeued_letter_is_sent_with_its_own_seq_and_is_one_no_more(prices: Outbox, sink: MemorySink) -> None:
    [id, _] = put(prices, "a", "a")
    refuse(sink, 1)
    run_once(relay(prices, sink, "dead-letter"))
    refuse(sink)

    done = dead_letter_admin(prices).requeue(Selection(id=id))
    run_once(relay(prices, sink, "dead-letter"))

    assert done == (1, [])
    assert arrived(sink) == [("a", 2), ("a", 1)]
    assert dict(sink.records[-1].headers)["id"].decode() == str(id)
    assert states(prices) == {}


def test_a_requeued_letter_that_is_refused_again_stays_and_counts_its_attempts(
    prices: Outbox, sink: MemorySink
) -> None:
    put(prices, "a", "b")
    refuse(sink, 1, 2)
    run_once(relay(prices, sink, "dead-letter"))
    refuse(sink, 1)

    dead_letter_admin(prices).requeue(Selection())
    run_once(relay(prices, sink, "dead-letter"))

    [letter] = prices.collections.dead.find()
    assert (letter["seq"], letter["state"], letter["attempts"], "requeued" in letter) == (1, "dead", 2, False)
    assert letter["last"] > letter["first"]
    assert arrived(sink) == [("b", 2)]


def test_a_running_relay_sees_that_a_letter_was_requeued(prices: Outbox, sink: MemorySink) -> None:
    put(prices, "a", "b")
    refuse(sink, 1)
    with Relaying(relay(prices, sink, "dead-letter")):
        wait_until(lambda: states(prices) == {1: "dead"}, 30, "the dead letter")
        refuse(sink)
        dead_letter_admin(prices).requeue(Selection(key="a"))
        wait_until(lambda: ("a", 1) in arrived(sink), 30, "the requeued message")
        wait_until(lambda: states(prices) == {}, 30, "the letter to go")


def test_more_letters_than_a_batch_are_sent_in_order(prices: Outbox, sink: MemorySink) -> None:
    put(prices, "a")
    put(prices, *["a"] * 1200)
    refuse(sink, 1)
    run_once(relay(prices, sink))
    refuse(sink)

    done = dead_letter_admin(prices).requeue(Selection(key="a"))
    run_once(relay(prices, sink))

    assert done.letters == 1201
    assert [seq for _, seq in arrived(sink)] == list(range(1, 1202))
    assert states(prices) == {}

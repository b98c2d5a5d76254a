"""A relay that parks what comes after a refused message of its key; the log and the letters are real."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from outbox import Outbox
from outbox.dead_letters.admin import Selection
from outbox.dead_letters.policy import OnPoison
from outbox.dead_letters.store import DeadLetterStore
from outbox.errors import LeaseLost
from outbox.shares.layout import share_cursor
from relay.errors import PoisonMessage
from relay.testing import MemorySink
from tests.actors.price_service import arrived, dead_letter_admin, put, refuse, relay, states
from tests.actors.relay_thread import run_once, saved_seq

Document = dict[str, Any]


def test_later_messages_of_the_key_are_parked_and_other_keys_flow(prices: Outbox, sink: MemorySink) -> None:
    put(prices, "a", "b", "a", "b", None)
    refuse(sink, 1)
    run_once(relay(prices, sink))
    put(prices, "b", "a")
    run_once(relay(prices, sink))

    assert arrived(sink) == [("b", 2), ("b", 4), (None, 5), ("b", 6)]
    assert states(prices) == {1: "dead", 3: "parked", 7: "parked"}
    assert saved_seq(prices) == 7


def test_a_message_without_a_key_parks_nobody(prices: Outbox, sink: MemorySink) -> None:
    put(prices, None, None, "a")
    refuse(sink, 1)

    run_once(relay(prices, sink))

    assert arrived(sink) == [(None, 2), ("a", 3)]
    assert states(prices) == {1: "dead"}


def test_a_parked_key_comes_back_whole_and_in_order_before_what_is_new(prices: Outbox, sink: MemorySink) -> None:
    ids = put(prices, "a", "a", "b", "a")
    refuse(sink, 1)
    run_once(relay(prices, sink))
    refuse(sink)
    put(prices, "a", "b")  # in the log, and not relayed when the key is requeued

    done = dead_letter_admin(prices).requeue(Selection(id=ids[3]))  # any of them stands for its key
    run_once(relay(prices, sink))

    assert done.letters == 3
    assert [seq for key, seq in arrived(sink) if key == "a"] == [1, 2, 4, 5]
    assert states(prices) == {}


def test_what_was_parked_after_the_command_goes_with_its_key(prices: Outbox, sink: MemorySink) -> None:
    put(prices, "a", "a")
    refuse(sink, 1)
    run_once(relay(prices, sink))
    dead_letter_admin(prices).requeue(Selection(key="a"))
    letter = prices.collections.dead.find_one({"seq": 2})
    assert letter is not None
    del letter["requeued"]
    prices.collections.dead.replace_one({"_id": letter["_id"]}, letter)
    refuse(sink)

    run_once(relay(prices, sink))

    assert (arrived(sink), states(prices)) == ([("a", 1), ("a", 2)], {})


def test_a_key_whose_requeued_message_is_refused_again_stays_parked(prices: Outbox, sink: MemorySink) -> None:
    put(prices, "a", "a", "a", "b", "b")
    refuse(sink, 1, 4)
    run_once(relay(prices, sink))
    refuse(sink, 2)

    dead_letter_admin(prices).requeue(Selection())
    run_once(relay(prices, sink))
    put(prices, "a")
    run_once(relay(prices, sink))

    assert arrived(sink) == [("a", 1), ("b", 4), ("b", 5)]
    assert states(prices) == {2: "dead", 3: "parked", 6: "parked"}
    assert prices.collections.dead.count_documents({"requeued": {"$exists": True}}) == 0


@pytest.mark.parametrize("policy", ["stop", "dead-letter"])
def test_a_key_stays_parked_under_another_policy(prices: Outbox, sink: MemorySink, policy: OnPoison) -> None:
    put(prices, "a", "a")
    refuse(sink, 1)
    run_once(relay(prices, sink))
    put(prices, "a", "b")

    run_once(relay(prices, sink, policy))

    assert arrived(sink) == [("b", 4)]
    assert states(prices) == {1: "dead", 2: "parked", 3: "parked"}


def test_discarding_the_dead_one_releases_its_key(prices: Outbox, sink: MemorySink) -> None:
    ids = put(prices, "a", "a", "a", "b")
    refuse(sink, 1)
    run_once(relay(prices, sink))

    gone = dead_letter_admin(prices).discard(Selection(id=ids[0]))
    run_once(relay(prices, sink))
    put(prices, "a")
    run_once(relay(prices, sink))

    assert gone == 1
    assert arrived(sink) == [("b", 4), ("a", 2), ("a", 3), ("a", 5)]
    assert states(prices) == {}


def test_discarding_a_parked_one_leaves_the_key_parked(prices: Outbox, sink: MemorySink) -> None:
    ids = put(prices, "a", "a", "a")
    refuse(sink, 1)
    run_once(relay(prices, sink))

    dead_letter_admin(prices).discard(Selection(id=ids[1]))
    run_once(relay(prices, sink))

    assert (arrived(sink), states(prices)) == ([], {1: "dead", 3: "parked"})


def test_discarding_a_whole_key_sends_nothing_of_it_and_lets_new_ones_flow(prices: Outbox, sink: MemorySink) -> None:
    put(prices, *["a"] * 700, "b")
    refuse(sink, 1, 701)
    run_once(relay(prices, sink))

    gone = dead_letter_admin(prices).discard(Selection(key="a"))
    put(prices, "a")
    run_once(relay(prices, sink))

    assert gone == 700
    assert (arrived(sink), states(prices)) == ([("a", 702)], {701: "dead"})


def test_a_stale_relay_can_neither_dead_letter_nor_park(prices: Outbox, sink: MemorySink) -> None:
    put(prices, "a", "a")
    refuse(sink, 1)
    run_once(relay(prices, sink))
    cursors = share_cursor(prices.collections.cursors, "relay:kafka")
    stale = DeadLetterStore(prices.collections, cursors, 1, "park-key")
    cursors.claim(2)
    [first, second] = [prices.log.record_at(seq) for seq in (1, 2)]
    assert first is not None
    assert second is not None
    prices.collections.dead.delete_one({"seq": 2})

    with pytest.raises(LeaseLost):
        stale.park([second])
    with pytest.raises(LeaseLost):
        stale.add(first, PoisonMessage(1, str(first.id), "price.set", "a", "refused", ""))

    assert states(prices) == {1: "dead"}
    assert saved_seq(prices) == 2


def test_what_is_requeued_while_it_parks_is_not_parked_for_ever(
    prices: Outbox, sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(prices, "a")
    refuse(sink, 1)
    run_once(relay(prices, sink))
    put(prices, "a")
    discarded = threading.Event()
    ask = DeadLetterStore._parked

    def discard_after_asking(self: DeadLetterStore, keys: Any, session: Any) -> set[str]:
        found = ask(self, keys, session)
        if found and session is None:
            dead_letter_admin(prices).discard(Selection(key="a"))
            discarded.set()
        return found

    monkeypatch.setattr(DeadLetterStore, "_parked", discard_after_asking)
    run_once(relay(prices, sink))

    assert discarded.is_set()
    assert (arrived(sink), states(prices)) == ([("a", 2)], {})

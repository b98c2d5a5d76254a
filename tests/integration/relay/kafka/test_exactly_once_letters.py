"""Exactly once and dead letters: a letter is sent once, and a new one of the same message is kept."""

from __future__ import annotations

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.shares.cursor_admin import move
from relay.errors import Verdict
from relay.testing import MemoryTransactions
from tests.actors.exactly_once import UNKNOWN, relay, seqs, stored
from tests.actors.price_service import put, states
from tests.actors.relay_thread import run_once


def test_a_requeued_letter_of_unknown_outcome_is_not_sent_again(prices: Outbox, sink: MemoryTransactions) -> None:
    put(prices, "a", "b", "a")
    sink.refused = {1: Verdict.POISON}
    run_once(relay(prices, sink, on_poison="park-key"))
    sink.refused = {}
    DeadLetterAdmin(prices.collections, "relay:kafka").requeue(Selection())
    commits = iter([None, UNKNOWN])  # the first one stores the cursor at rest

    def after_commit() -> None:
        if (error := next(commits, None)) is not None:
            raise error

    sink.after_commit = after_commit
    run_once(relay(prices, sink, on_poison="park-key"))

    assert seqs(sink) == [2, 1, 3]
    assert states(prices) == {}
    assert "requeued" not in stored(prices, sink)


def test_a_message_refused_again_after_it_was_delivered_once_keeps_its_letter(
    prices: Outbox, sink: MemoryTransactions
) -> None:
    """The ids beside the cursor are of letters that are gone; a new letter of the same message is not theirs."""
    put(prices, "a")
    sink.refused = {1: Verdict.POISON}
    run_once(relay(prices, sink, on_poison="dead-letter"))
    sink.refused = {}
    DeadLetterAdmin(prices.collections, "relay:kafka").requeue(Selection())
    run_once(relay(prices, sink))
    move(prices.collections, "relay:kafka", 0, SystemClock())
    sink.refused = {1: Verdict.POISON}
    run_once(relay(prices, sink, on_poison="dead-letter"))

    run_once(relay(prices, sink, on_poison="dead-letter"))

    assert states(prices) == {1: "dead"}

"""Exactly once over a real log and transactions in memory: which cursor counts, and what a crash may leave."""

from __future__ import annotations

import json

import pytest
from bson import ObjectId

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.shares.cursor_admin import forget, move
from relay.errors import CursorMismatch, Verdict
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.exactly_once import UNKNOWN, fail_once, name, relay, saved, seqs, set_saved, stored
from tests.actors.price_service import put
from tests.actors.relay_thread import run_once

# ---- the cursor beside the records, and the one that follows it


def test_the_stored_cursor_is_the_last_record_and_the_saved_one_follows_it(
    prices: Outbox, sink: MemoryTransactions
) -> None:
    ids = put(prices, "a", "b", "c")

    run_once(relay(prices, sink))

    assert seqs(sink) == [1, 2, 3]
    assert (stored(prices, sink)["seq"], stored(prices, sink)["id"]) == (3, str(ids[2]))
    assert stored(prices, sink)["created"] == dict(sink.records[2].headers)["created"].decode()
    assert (saved(prices)["seq"], saved(prices)["id"], saved(prices)["in_kafka"]) == (3, ids[2], True)


def test_what_was_committed_and_not_saved_is_not_sent_again(prices: Outbox, sink: MemoryTransactions) -> None:
    put(prices, "a", "b", "c")
    run_once(relay(prices, sink))
    set_saved(prices, 1)

    run_once(relay(prices, sink))

    assert seqs(sink) == [1, 2, 3]
    assert saved(prices)["seq"] == 3


def test_a_transaction_of_unknown_outcome_that_was_committed_is_not_sent_again(
    prices: Outbox, sink: MemoryTransactions
) -> None:
    put(prices, "a", "b", "c")
    run_once(relay(prices, sink))
    put(prices, "d", "e")
    sink.after_commit = fail_once(UNKNOWN)

    run_once(relay(prices, sink))

    assert seqs(sink) == [1, 2, 3, 4, 5]


def test_a_transaction_that_was_not_committed_is_sent_again_as_a_whole(
    prices: Outbox, sink: MemoryTransactions
) -> None:
    put(prices, "a", "b", "c")
    run_once(relay(prices, sink))
    put(prices, "d", "e")
    sink.before_commit = fail_once(UNKNOWN)

    run_once(relay(prices, sink))

    assert seqs(sink) == [1, 2, 3, 4, 5]
    assert stored(prices, sink)["seq"] == saved(prices)["seq"] == 5


def test_a_saved_cursor_that_is_ahead_over_messages_put_aside_counts(prices: Outbox, sink: MemoryTransactions) -> None:
    put(prices, "a", "b")
    sink.refused = {2: Verdict.POISON}
    run_once(relay(prices, sink, on_poison="dead-letter"))
    assert (stored(prices, sink)["seq"], saved(prices)["seq"]) == (1, 2)
    sink.refused = {}

    run_once(relay(prices, sink))

    assert seqs(sink) == [1]
    assert stored(prices, sink)["seq"] == 2


# ---- from one mode to the other


def test_a_relay_that_delivered_at_least_once_goes_on_exactly_once(prices: Outbox, sink: MemoryTransactions) -> None:
    put(prices, "a", "b")
    run_once(relay(prices, MemorySink()))
    put(prices, "c")

    run_once(relay(prices, sink))

    assert seqs(sink) == [3]
    assert (stored(prices, sink)["seq"], saved(prices)["in_kafka"]) == (3, True)


def test_a_crash_while_changing_over_leaves_the_saved_cursor_in_charge(
    prices: Outbox, sink: MemoryTransactions
) -> None:
    put(prices, "a", "b")
    run_once(relay(prices, MemorySink()))
    sink.after_commit = fail_once(RuntimeError("the end"))  # what is stored, the saved one does not know of
    with pytest.raises(RuntimeError):
        run_once(relay(prices, sink))
    assert "in_kafka" not in saved(prices)

    put(prices, "c")
    run_once(relay(prices, sink))

    assert seqs(sink) == [3]


def test_there_and_back_and_there_again_skips_nothing_and_repeats_nothing(
    prices: Outbox, sink: MemoryTransactions
) -> None:
    put(prices, "a", "b")
    run_once(relay(prices, sink))
    put(prices, "c")
    plain = MemorySink()
    run_once(relay(prices, plain))
    assert "in_kafka" not in saved(prices)
    put(prices, "d")
    run_once(relay(prices, sink))

    assert (seqs(sink), seqs(plain)) == ([1, 2, 4], [3])


# ---- an operator's word


@pytest.mark.parametrize(("to", "expected"), [(1, [1, 2, 3, 2, 3]), (0, [1, 2, 3, 1, 2, 3]), (3, [1, 2, 3])])
def test_a_cursor_that_was_set_counts_and_replaces_the_stored_one(
    prices: Outbox, sink: MemoryTransactions, to: int, expected: list[int]
) -> None:
    put(prices, "a", "b", "c")
    run_once(relay(prices, sink))
    move(prices.collections, "relay:kafka", to, SystemClock())

    run_once(relay(prices, sink))
    run_once(relay(prices, sink))

    assert seqs(sink) == expected
    assert stored(prices, sink)["seq"] == 3


def test_a_cursor_that_was_forgotten_is_not_begun_anew_by_itself(prices: Outbox, sink: MemoryTransactions) -> None:
    put(prices, "a", "b")
    run_once(relay(prices, sink))
    forget(prices.collections, "relay:kafka", SystemClock())

    with pytest.raises(CursorMismatch, match="Kafka has a cursor .* at seq 2.*relay cursor set"):
        run_once(relay(prices, sink))

    assert seqs(sink) == [1, 2]


# ---- cursors that do not fit


def test_a_stored_cursor_that_is_gone_stops_it_and_a_set_one_goes_on(prices: Outbox, sink: MemoryTransactions) -> None:
    put(prices, "a", "b")
    run_once(relay(prices, sink))
    sink.cursors.clear()
    put(prices, "c")

    with pytest.raises(CursorMismatch, match="Kafka has none .*Seq 2 is known to be delivered"):
        run_once(relay(prices, sink))

    move(prices.collections, "relay:kafka", 2, SystemClock())
    run_once(relay(prices, sink))
    assert seqs(sink) == [1, 2, 3]


WRONG = [
    b"", b"null", b"17", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 5000, b'"seq"', b"{}", b"NaN",
    *(
        json.dumps({"seq": 2, "created": None, "id": None, **wrong}).encode()
        for wrong in (
            {"seq": None}, {"seq": "2"}, {"seq": 2.0}, {"seq": 2.5}, {"seq": -1}, {"seq": True}, {"seq": [2]},
            {"seq": 10**30}, {"seq": float("nan")}, {"id": 7}, {"id": "x"}, {"id": []}, {"created": 7},
            {"requeued": "x"}, {"requeued": [7]}, {"requeued": ["x"]}, {"requeued": {}},
        )
    ),
    b'{"seq": 2}',
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda each: each.decode(errors="replace")[:40])
def test_what_no_relay_has_stored_stops_it_and_is_shown_and_a_set_cursor_goes_on(
    prices: Outbox, sink: MemoryTransactions, wrong: bytes
) -> None:
    put(prices, "a", "b")
    run_once(relay(prices, sink))
    sink.cursors[name(prices)] = wrong
    put(prices, "c")

    with pytest.raises(CursorMismatch, match="no relay has written: .*Seq 2 is known .*`relay cursor set 2` goes on"):
        run_once(relay(prices, sink))
    assert seqs(sink) == [1, 2]

    move(prices.collections, "relay:kafka", 2, SystemClock())
    run_once(relay(prices, sink))
    assert seqs(sink) == [1, 2, 3]


def test_a_seq_far_beyond_the_log_stops_it(prices: Outbox, sink: MemoryTransactions) -> None:
    put(prices, "a", "b")
    run_once(relay(prices, sink))
    sink.cursors[name(prices)] = json.dumps({"seq": 2**61, "created": None, "id": None}).encode()

    with pytest.raises(CursorMismatch, match="the log's newest record is 2"):
        run_once(relay(prices, sink))


@pytest.mark.parametrize("wrong", [b"", b"\xff", b'{"seq": 7}'])
def test_what_no_relay_has_stored_is_no_first_start_either(
    prices: Outbox, sink: MemoryTransactions, wrong: bytes
) -> None:
    put(prices, "a", "b")
    sink.cursors[name(prices)] = wrong

    with pytest.raises(CursorMismatch, match="the outbox has none"):
        run_once(relay(prices, sink))


def test_a_stored_cursor_of_another_log_stops_it(prices: Outbox, sink: MemoryTransactions) -> None:
    put(prices, "a", "b")
    run_once(relay(prices, sink))
    set_saved(prices, 1)
    other = {"seq": 2, "created": None, "id": str(ObjectId())}
    sink.cursors[name(prices)] = json.dumps(other).encode()

    with pytest.raises(CursorMismatch, match="belongs to another log"):
        run_once(relay(prices, sink))

    assert saved(prices)["seq"] == 1

"""Exactly once over a real log and transactions in memory: which cursor counts, and what a crash may leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.mongo.lease import Lease
from relay import Relay
from relay.dead_letters.admin import DeadLetterAdmin, Selection
from relay.errors import CursorMismatch, DeliveryFailed, Verdict
from relay.shares.cursor_admin import forget, move
from relay.shares.layout import relay_id
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.order_service import foreign
from tests.actors.price_service import new_prices, put, states
from tests.actors.relay_thread import Relaying, run_once
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def prices(database: Database[Document]) -> Iterator[Outbox]:
    with new_prices(database, capacity="8 MiB") as outbox:
        yield outbox


@pytest.fixture
def sink() -> MemoryTransactions:
    return MemoryTransactions()


def relay(prices: Outbox, sink: MemorySink, **options: Any) -> Relay:
    return Relay(prices, sink, chance=lambda: 0.0, **options)


def seqs(sink: MemorySink) -> list[int]:
    return [record.seq for record in sink.records]


def saved(prices: Outbox) -> Document:
    """The document in `NAME.cursors`."""
    found = prices.collections.cursors.find_one({"_id": "relay:kafka"})
    assert found is not None
    return found


def name(prices: Outbox) -> str:
    return f"{prices.collections.database.name}.outbox/kafka"


def stored(prices: Outbox, sink: MemoryTransactions) -> Document:
    """The cursor beside the records."""
    return dict(json.loads(sink.cursors[name(prices)]))


def set_saved(prices: Outbox, seq: int) -> None:
    """As a relay leaves it that ended between committing and saving."""
    record = prices.log.record_at(seq)
    assert record is not None
    changed = {"seq": seq, "created": record.created, "id": record.id}
    prices.collections.cursors.update_one({"_id": "relay:kafka"}, {"$set": changed})


def fail_once(error: Exception) -> Any:
    errors = [error]

    def fail() -> None:
        if errors:
            raise errors.pop()

    return fail


UNKNOWN = DeliveryFailed(None, Verdict.RETRY, "no answer")


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
    move(prices, "kafka", to, SystemClock())

    run_once(relay(prices, sink))
    run_once(relay(prices, sink))

    assert seqs(sink) == expected
    assert stored(prices, sink)["seq"] == 3


def test_a_cursor_that_was_forgotten_is_not_begun_anew_by_itself(prices: Outbox, sink: MemoryTransactions) -> None:
    put(prices, "a", "b")
    run_once(relay(prices, sink))
    forget(prices, "kafka", SystemClock())

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

    move(prices, "kafka", 2, SystemClock())
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

    move(prices, "kafka", 2, SystemClock())
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


# ---- dead letters


def test_a_requeued_letter_of_unknown_outcome_is_not_sent_again(prices: Outbox, sink: MemoryTransactions) -> None:
    put(prices, "a", "b", "a")
    sink.refused = {1: Verdict.POISON}
    run_once(relay(prices, sink, on_poison="park-key"))
    sink.refused = {}
    DeadLetterAdmin(prices, "kafka").requeue(Selection())
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
    DeadLetterAdmin(prices, "kafka").requeue(Selection())
    run_once(relay(prices, sink))
    move(prices, "kafka", 0, SystemClock())
    sink.refused = {1: Verdict.POISON}
    run_once(relay(prices, sink, on_poison="dead-letter"))

    run_once(relay(prices, sink, on_poison="dead-letter"))

    assert states(prices) == {1: "dead"}


# ---- taking over


def test_one_that_is_fenced_and_has_lost_its_lease_stands_by(
    prices: Outbox, sink: MemoryTransactions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relay")
    with Relaying(relay(prices, sink)) as running:
        put_and_wait(prices, sink, 1)
        other = MemoryTransactions(beside=sink)
        steal(prices)
        other.take_over(name(prices), lambda last: "never")
        put_one(prices)
        wait_until(lambda: "this relay stands by" in caplog.text, 20, "it to notice")
        assert not running.ended
        assert seqs(sink) == [1]


def test_one_that_is_fenced_and_still_has_its_lease_takes_over_again(prices: Outbox, sink: MemoryTransactions) -> None:
    """As when the broker has ended a transaction that took too long."""
    with Relaying(relay(prices, sink)):
        put_and_wait(prices, sink, 1)
        MemoryTransactions(beside=sink).take_over(name(prices), lambda last: "never")
        put_and_wait(prices, sink, 2)

    assert seqs(sink) == [1, 2]


def test_a_broker_that_is_away_when_it_takes_over_is_waited_for(
    prices: Outbox, sink: MemoryTransactions, caplog: pytest.LogCaptureFixture
) -> None:
    put(prices, "a")
    sink.away = True
    with Relaying(relay(prices, sink)) as running:
        wait_until(lambda: "the broker does not answer; again in" in caplog.text, 20, "it to try")
        assert not running.ended
        sink.away = False
        wait_until(lambda: seqs(sink) == [1], 20, "the record")


def put_one(prices: Outbox) -> None:
    prices.collections.staging.insert_one(foreign(type="price.set", key="z", data={"sku": "z", "price": 1.0}))


def put_and_wait(prices: Outbox, sink: MemoryTransactions, seq: int) -> None:
    put_one(prices)
    wait_until(lambda: seqs(sink)[-1:] == [seq], 20, f"record {seq}")


def steal(prices: Outbox) -> None:
    """Another relay takes the lease, as after this one was frozen."""
    prices.collections.leases.update_one({"_id": relay_id("kafka")}, {"$set": {"owner": None}, "$inc": {"beat": 1}})
    other = Lease(prices.collections.leases, relay_id("kafka"), owner="other")
    assert other.acquire()

"""What a relay does with messages that can never be delivered; the sink is in memory, the log and the letters real."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from bson import Int64, ObjectId
from bson.binary import Binary

from outbox import Outbox
from outbox.dead_letters import document as letter
from outbox.dead_letters.admin import Selection
from outbox.dead_letters.store import DeadLetterStore
from outbox.log.cursors import CursorStore
from outbox.shares.layout import share_cursor
from relay.errors import LetterTaken, PoisonMessage
from relay.monitoring.status import relay_status
from relay.testing import MemorySink
from tests.actors.order_service import foreign, unchecked
from tests.actors.price_service import arrived, dead_letter_admin, put, refuse, relay, states
from tests.actors.relay_thread import Relaying, run_once, saved_seq
from tests.waiting import wait_until

Document = dict[str, Any]


# ---- dead-letter


def test_a_refused_message_becomes_a_dead_letter_and_the_rest_flows(
    prices: Outbox, sink: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    ids = put(prices, "a", "b", "a", None)
    refuse(sink, 2)

    run_once(relay(prices, sink, "dead-letter"))

    assert arrived(sink) == [("a", 1), ("a", 3), (None, 4)]
    assert saved_seq(prices) == 4
    [letter] = prices.collections.dead.find()
    record = prices.log.record_at(2)
    assert record is not None
    assert {name: letter[name] for name in ("_id", "reader", "seq", "type", "key", "attempts", "state")} == {
        "_id": ids[1], "reader": "relay:kafka", "seq": 2, "type": "price.set", "key": "b", "attempts": 1,
        "state": "dead",
    }  # fmt: skip
    assert (letter["created"], letter["headers"], letter["data"]) == (record.created, {}, record.data)
    assert letter["error"] == {"code": "refused", "reason": "refused"}
    assert letter["first"] == letter["last"]
    assert str(ids[1]) in " ".join(each.getMessage() for each in caplog.records if each.levelno == logging.WARNING)


def test_what_is_put_aside_does_not_count_as_delivered(
    prices: Outbox, sink: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relay")
    put(prices, "a", "b", "a", None)
    refuse(sink, 1)

    run_once(relay(prices, sink, "park-key"))

    assert any("delivered 2 message(s) in " in each.getMessage() for each in caplog.records)


def test_so_does_one_that_cannot_be_encoded_with_its_data_as_it_was(prices: Outbox, sink: MemorySink) -> None:
    put(prices, "a")
    put(prices, "a", price=float("inf"))
    put(prices, "a")

    run_once(relay(prices, sink, "dead-letter"))

    assert arrived(sink) == [("a", 1), ("a", 3)]
    [letter] = prices.collections.dead.find()
    assert letter["data"] == {"sku": "a", "price": float("inf")}
    assert (letter["error"]["code"], "data.price is inf" in letter["error"]["reason"]) == ("unencodable", True)


def test_many_poisons_in_a_row_all_become_dead_letters(prices: Outbox, sink: MemorySink) -> None:
    put(prices, *"aaabbbccc")
    refuse(sink, 1, 2, 5, 9)

    run_once(relay(prices, sink, "dead-letter"))

    assert [seq for _, seq in arrived(sink)] == [3, 4, 6, 7, 8]
    assert set(states(prices)) == {1, 2, 5, 9}


def test_the_letter_is_there_before_the_cursor_passes_the_message(
    prices: Outbox, sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(prices, "a")
    refuse(sink, 1)

    def fail(*_: object) -> None:
        raise RuntimeError("the process ends here")

    monkeypatch.setattr(CursorStore, "save", fail)
    with pytest.raises(RuntimeError):
        run_once(relay(prices, sink, "dead-letter"))

    assert (states(prices), saved_seq(prices)) == ({}, 0)  # both or neither
    monkeypatch.undo()
    run_once(relay(prices, sink, "dead-letter"))
    assert (states(prices), saved_seq(prices)) == ({1: "dead"}, 1)


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


def test_under_stop_a_poison_message_is_no_letter(prices: Outbox, sink: MemorySink) -> None:
    put(prices, "a")
    refuse(sink, 1)

    with pytest.raises(PoisonMessage, match="park-key"):
        run_once(relay(prices, sink, "stop"))

    assert states(prices) == {}


def test_a_message_that_another_reader_has_put_aside_stops_it_before_it_is_lost(
    prices: Outbox, sink: MemorySink
) -> None:
    put(prices, "a")
    refuse(sink, 1)
    run_once(relay(prices, sink))
    other = MemorySink()
    refuse(other, 1)

    with pytest.raises(LetterTaken, match="relay:kafka"):
        run_once(relay(prices, other, name="other"))

    cursor = prices.collections.cursors.find_one({"_id": "relay:other"})
    assert cursor is not None
    assert cursor["seq"] == 0


# ---- the sequencer's


def rejected(prices: Outbox, code: int, **fields: Any) -> ObjectId:
    letter = {
        "_id": ObjectId(), "reader": "sequencer", "seq": None, "created": prices.status().cursors[0].created,
        "type": "price.set", "key": "a", "headers": {}, "data": {"sku": "a", "price": 2.5},
        "error": {"code": code, "reason": "why"}, "attempts": 1, "state": "dead", **fields,
    }  # fmt: skip
    prices.collections.dead.insert_one(letter)
    return ObjectId(letter["_id"])


def test_the_sequencers_letters_are_listed_and_go_back_to_staging_when_they_fit(
    prices: Outbox, sink: MemorySink
) -> None:
    put(prices, "b")
    run_once(relay(prices, sink))
    fits, unfit, deep = (
        rejected(prices, 121),
        rejected(prices, 121, headers=None),
        rejected(prices, 15),
    )

    listed = [each["_id"] for each in dead_letter_admin(prices).letters(Selection())]
    done = dead_letter_admin(prices).requeue(Selection())
    run_once(relay(prices, sink))

    assert set(listed) == {fits, unfit, deep}
    assert done.letters == 1
    assert {id for id, _ in done.refused} == {unfit, deep}
    assert {each["_id"] for each in prices.collections.dead.find()} == {unfit, deep}
    assert dict(sink.records[-1].headers)["id"].decode() == str(fits)


# ---- looking


def test_a_letter_with_a_uuid_of_another_length_is_shown_and_sent_again(prices: Outbox, sink: MemorySink) -> None:
    """The server stores such a one, and the driver raises at it: in a body or, past the validator, in a header."""
    short = Binary(b"short", 4)
    put(prices, "a")
    run_once(relay(prices, sink))
    written = foreign(type="price.set", key="b", data={"sku": "b", "id": short})
    unchecked(prices, written, foreign(type="price.set", key="c", headers={"h": short}, data={"sku": "c"}))
    refuse(sink, 2)
    run_once(relay(prices, sink, "dead-letter"))
    unfit = rejected(prices, 121, key="d", data={"sku": "d", "id": short})

    listed = [letter.as_json(each)["key"] for each in dead_letter_admin(prices).letters(Selection())]
    shown = dead_letter_admin(prices).letter(written["_id"])
    refuse(sink)
    done = dead_letter_admin(prices).requeue(Selection())
    run_once(relay(prices, sink, "dead-letter"))

    assert listed == ["d", "b", "c"]
    assert shown is not None
    assert shown["data"]["id"] == short
    assert [id for id, _ in done.refused] == [unfit]  # by staging's validator
    assert [key for key, _ in arrived(sink)] == ["a", "b"]
    assert states(prices) == {3: "dead"}


def test_status_counts_the_dead_and_the_parked(prices: Outbox, sink: MemorySink) -> None:
    put(prices, "a", "a", "a", "b")
    refuse(sink, 1, 4)
    run_once(relay(prices, sink))
    rejected(prices, 15)

    status = relay_status(prices, "kafka")

    assert (status.dead, status.parked) == (3, 2)


def test_a_chunk_without_letters_asks_the_database_nothing(
    prices: Outbox, sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(prices, *"aabb")
    asked: list[object] = []
    letters = DeadLetterStore(prices.collections, share_cursor(prices.collections.cursors, "kafka"), 1, "park-key")
    assert not letters.requeued()
    monkeypatch.setattr(DeadLetterStore, "_parked", lambda *each: asked.append(each))

    record = prices.log.record_at(Int64(1))
    assert record is not None
    assert letters.park([record]) == ()
    assert asked == []

"""A relay that puts a refused message aside goes on with the rest; the log and the letters are real."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from bson import Int64

from outbox import Outbox
from outbox.dead_letters.store import DeadLetterStore
from outbox.log.cursors import CursorStore
from outbox.shares.layout import share_cursor
from relay.errors import LetterTaken, PoisonMessage
from relay.testing import MemorySink
from tests.actors.price_service import arrived, put, refuse, relay, states
from tests.actors.relay_thread import run_once, saved_seq

Document = dict[str, Any]


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


def test_a_chunk_without_letters_asks_the_database_nothing(
    prices: Outbox, sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(prices, *"aabb")
    asked: list[object] = []
    letters = DeadLetterStore(
        prices.collections, share_cursor(prices.collections.cursors, "relay:kafka"), 1, "park-key"
    )
    assert not letters.requeued()
    monkeypatch.setattr(DeadLetterStore, "_parked", lambda *each: asked.append(each))

    record = prices.log.record_at(Int64(1))
    assert record is not None
    assert letters.park([record]) == ()
    assert asked == []

"""What operators do with letters, those of the sequencer too; the log and the letters are real."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from bson.binary import Binary

from outbox import Outbox
from outbox.dead_letters import document as letter
from outbox.dead_letters.admin import Selection
from relay.monitoring.status import relay_status
from relay.testing import MemorySink
from tests.actors.order_service import foreign, unchecked
from tests.actors.price_service import arrived, dead_letter_admin, put, refuse, relay, states
from tests.actors.relay_thread import run_once

Document = dict[str, Any]


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

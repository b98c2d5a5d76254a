"""What a dead letter is made of, and what of it is read again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from outbox import Record
from outbox.dead_letters import document
from outbox.errors import LetterCorrupt, PoisonMessage
from outbox.mongo.elements import Element, elements
from outbox.shares.share import Share, key_hash

ID = bytes(range(12))
LOG = "00000000000000ab"
CREATED_MS = 1_700_000_000_123


def refused_record(**fields: Any) -> Record[Any]:
    stored = {"type": "order.placed", "key": "42", "headers": {"tenant": "acme"}, "data": {"total": 1}, **fields}
    return Record(7, ID, CREATED_MS, stored)


def poison(reason: str) -> PoisonMessage:
    return PoisonMessage(7, str(ObjectId(ID)), "order.placed", "42", "refused", reason)


def letter(**fields: Any) -> dict[str, Any]:
    return {**document.dead(refused_record(), LOG, "relay:kafka", poison("too large")), **fields}


def test_a_dead_letter_holds_the_message_and_why_it_was_refused() -> None:
    made = letter()

    assert (made["_id"], made["seq"], made["log"], made["reader"]) == (ObjectId(ID), 7, LOG, "relay:kafka")
    assert (made["type"], made["key"], made["headers"], made["data"]) == (
        "order.placed", "42", {"tenant": "acme"}, {"total": 1}
    )  # fmt: skip
    assert (made["state"], made["attempts"], made["error"]) == (
        "dead", 1, {"code": "refused", "reason": "too large"}
    )  # fmt: skip
    assert made["first"] == made["last"]


def test_a_parked_one_was_never_tried() -> None:
    made = document.parked(refused_record(), LOG, "relay:kafka")

    assert (made["state"], made["attempts"], made["error"]["code"]) == ("parked", 0, "parked")


def test_a_reason_is_cut_where_it_is_longer_than_a_letter_keeps() -> None:
    made = document.dead(refused_record(), LOG, "relay:kafka", poison("x" * 5000))

    assert made["error"]["reason"] == "x" * document.LONGEST_REASON


def test_the_hash_is_the_one_that_chooses_the_share() -> None:
    assert letter()["hash"] == key_hash("42", ID)


def test_one_share_asks_for_all_letters_of_the_reader_and_one_of_three_for_those_of_its_keys() -> None:
    assert document.letters_of_share("relay:kafka", Share(1, 1)) == {"reader": "relay:kafka"}
    assert document.letters_of_share("relay:kafka", Share(2, 3)) == {
        "reader": "relay:kafka", "hash": {"$mod": [3, 1]}
    }  # fmt: skip


def test_what_the_log_refuses_keeps_every_value_as_its_bytes_were() -> None:
    odd = Element(0x0E, b"\x02\0\0\0a\0")  # a symbol, which no driver writes any more
    message = dict(elements(bson.encode({"created": None, "type": None, "key": "42", "headers": None})))
    message["data"] = odd

    made = dict(elements(document.refused(Element(0x07, ID), message, 15, "nested too deep")))

    assert made["data"] == odd
    assert (made["_id"], made["key"]) == (Element(0x07, ID), message["key"])


def test_a_letter_gives_the_record_that_was_read_from_the_log() -> None:
    given = refused_record()

    again = document.record(letter())

    assert (again.seq, again.id, again.created_ms, again.stored) == (given.seq, given.id, CREATED_MS, given.stored)


def test_a_letter_of_a_date_beyond_pythons_gives_its_record() -> None:
    beyond = 300_000_000_000_000

    assert document.record({**letter(), "created": DatetimeMS(beyond)}).created_ms == beyond


def test_a_letter_from_before_letters_said_their_log_is_read_too() -> None:
    old = letter()
    del old["log"]

    assert document.record(old).seq == 7


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": 0}, {"seq": "7"}, {"seq": None}, {"created": 5}, {"type": None}, {"key": 5}, {"log": 5},
    ],
    ids=str,
)  # fmt: skip
def test_a_letter_that_nobody_has_written_so_is_refused_with_the_field_and_what_to_do(wrong: dict[str, Any]) -> None:
    [field] = wrong
    with pytest.raises(LetterCorrupt, match=rf"its field '{field}' is .*relay dead discard {ObjectId(ID)}"):
        document.record(letter(**wrong))


def test_a_letter_without_a_field_is_refused_with_its_name() -> None:
    lacking = letter()
    del lacking["data"]

    with pytest.raises(LetterCorrupt, match="its field 'data' is missing"):
        document.record(lacking)


def test_people_see_ids_and_dates_as_text_also_dates_beyond_pythons() -> None:
    shown = document.as_json(letter(created=DatetimeMS(2**48), first=datetime(2025, 1, 2, tzinfo=UTC)))

    assert shown["id"] == str(ObjectId(ID))
    assert shown["first"] == "2025-01-02T00:00:00.000Z"
    assert shown["created"] == "+010889-08-02T05:31:50.656Z"

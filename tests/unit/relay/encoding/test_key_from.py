"""The part of a message that is its key on Kafka."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from outbox.log.record import Record
from outbox.messages.json_value import Unencodable
from relay.encoding.encoder import Encoder
from relay.encoding.key_from import KeyFrom
from relay.errors import InvalidSettings
from tests.doubles.batches import LOG

ID = ObjectId("65a000000000000000000001")
DATA = {"n": 7, "a": {"id": ID}}


def taken(words: str, data: Any = DATA) -> str | None:
    fields = {"type": "order.placed", "key": "k", "headers": {"tenant": "acme"}, "data": data}
    record = Record[Any](1, ID.binary, 0, fields)
    [outgoing], _, _ = Encoder(str, LOG).encode([record])
    return KeyFrom(words).of(outgoing, record)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("key", "k"), ("type", "order.placed"), ("id", str(ID)), ("none", None), ("header.tenant", "acme"),
        ("data.n", "7"), ("data.a.id", str(ID)),
    ],
)  # fmt: skip
def test_it_is_the_part_that_is_named(words: str, key: str | None) -> None:
    assert taken(words) == key


@pytest.mark.parametrize("words", ["", "keys", "header.", "data.", "header", "data"])
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(InvalidSettings, match="give key, type, id, none, header.NAME or data.FIELD"):
        KeyFrom(words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("header.x", "it has no header.x"),
        ("header.seq", "it has no header.seq"),
        ("data.n.x", "it has no data.n.x"),
        ("data.a", "its data.a is a dict, which cannot be a key"),
    ],
)
def test_a_message_without_it_is_not_sent_without_a_key(words: str, says: str) -> None:
    with pytest.raises(Unencodable, match=says):
        taken(words)


def test_a_tombstone_has_no_data_to_take_it_from() -> None:
    with pytest.raises(Unencodable):
        taken("data.n", data=None)

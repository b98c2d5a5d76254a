"""The Kafka record's topic, key and headers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from outbox.log.record import Record
from outbox.messages.limits import RESERVED_HEADERS
from relay.encoding.encoder import Encoder
from relay.errors import PoisonMessage, TopicMissing
from tests.doubles.batches import LOG

ID = ObjectId("65a000000000000000000001")
CREATED = datetime(2025, 1, 2, 3, 4, 5, 678000, UTC)


def record(seq: int = 1, **fields: Any) -> Record[Any]:
    created = int(DatetimeMS(fields.pop("created", CREATED)))
    return Record(seq, ID.binary, created, {"type": "order", "key": "k", "headers": {}, "data": {"a": 1}, **fields})


def test_a_record_carries_the_headers_of_the_relay_and_then_its_own() -> None:
    encoder = Encoder(lambda type: f"topic.{type}", LOG)

    ((seq, topic, key, value, headers),), marks, error = encoder.encode([record(7, headers={"b": "1", "a": "2"})])

    assert (seq, topic, key, value, error) == (7, "topic.order", "k", b'{"a":1}', None)
    assert headers == [
        ("id", "65a000000000000000000001"), ("seq", "7"), ("log", LOG), ("created", "2025-01-02T03:04:05.678Z"),
        ("type", "order"), ("b", "1"), ("a", "2"),
    ]  # fmt: skip
    assert marks == [(7, 1735787045678, ID.binary)]


def test_each_record_has_its_own_date() -> None:
    later = datetime(2026, 1, 1, tzinfo=UTC)

    outgoing, _, _ = Encoder(str, LOG).encode([record(1), record(2), record(3, created=later), record(4)])

    assert [dict(headers)["created"][:4] for *_, headers in outgoing] == ["2025", "2025", "2026", "2025"]


def test_a_tombstone_has_no_value() -> None:
    ((_, _, _, value, _),), _, _ = Encoder(str, LOG).encode([record(data=None)])

    assert value is None


def test_a_tombstone_of_another_id_than_its_key_is_not_the_end_of_the_key() -> None:
    """Kafka's compaction would remove every message of the key for a record without a value."""
    ((_, _, _, value, headers),), _, _ = Encoder(str, LOG).encode([record(data=None, headers={"compaction-id": "7"})])

    assert value == b"null"
    assert headers[-1] == ("compaction-id", "7")


def test_the_same_header_on_a_message_is_one_of_its_own() -> None:
    """A service may have put it before it was reserved."""
    ((_, _, _, value, headers),), _, error = Encoder(str, LOG).encode([record(headers={"compaction-id": "7"})])

    assert (value, headers[-1], error) == (b'{"a":1}', ("compaction-id", "7"), None)


def test_what_cannot_be_encoded_is_named_and_what_comes_before_it_is_encoded() -> None:
    bad = record(2, type="price", key="k9", data={"a": [float("nan")]})

    outgoing, marks, error = Encoder(str, LOG).encode([record(1), bad, record(3)])

    assert [each[0] for each in outgoing] == [each[0] for each in marks] == [1]
    assert isinstance(error, PoisonMessage)
    assert error.seq == 2
    for part in ("seq 2", str(ID), "'price'", "'k9'", "data.a[0] is nan"):
        assert part in str(error)


@pytest.mark.parametrize("name", RESERVED_HEADERS)
def test_a_message_with_a_header_that_the_relay_sets_is_poison_and_says_which(name: str) -> None:
    """A writer past staging's validator can put it, or one under a validator that was made before it was reserved."""
    outgoing, _, error = Encoder(str, LOG).encode([record(1), record(2, headers={"a": "b", name: "mine"})])

    assert [each[0] for each in outgoing] == [1]
    assert isinstance(error, PoisonMessage)
    assert f"among its headers is {name!r}, which the relay sets itself" in str(error)


def test_a_topic_is_asked_for_once_a_type() -> None:
    asked: list[str] = []

    def topic(type: str) -> str:
        asked.append(type)
        return type

    encoder = Encoder(topic, LOG)
    encoder.encode([record(1), record(2), record(3, type="other")])
    encoder.encode([record(4)])

    assert asked == ["order", "other"]


def test_a_topic_that_is_refused_ends_the_records_before_it() -> None:
    def topic(type: str) -> str:
        if type == "new":
            raise TopicMissing("no such topic: new")
        return type

    outgoing, _, error = Encoder(topic, LOG).encode([record(1), record(2, type="new")])

    assert [each[0] for each in outgoing] == [1]
    assert isinstance(error, TopicMissing)

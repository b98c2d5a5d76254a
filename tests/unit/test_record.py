"""A record is a view on what the log holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from outbox import Record

ID = ObjectId("0123456789abcdef01234567")
FIELDS: dict[str, Any] = {
    "id": ID,
    "created": datetime(2025, 1, 2, tzinfo=UTC),
    "type": "order.placed",
    "key": "42",
    "headers": {"tenant": "acme"},
    "data": {"total": 9},
}


def test_a_record_shows_the_fields_of_its_message() -> None:
    record: Record[Any] = Record(7, FIELDS)

    assert {name: getattr(record, name) for name in FIELDS} == FIELDS
    assert record.seq == 7


def test_the_message_is_decoded_only_when_asked_for() -> None:
    decoded: list[str] = []

    def decode(type: str, data: Any) -> Any:
        decoded.append(type)
        return data

    record: Record[Any] = Record(7, FIELDS, decode)

    assert decoded == []
    assert record.message == {"total": 9}
    assert decoded == ["order.placed"]


def test_a_record_without_a_decoder_has_no_message() -> None:
    assert Record(7, FIELDS).message is None


def test_records_of_the_same_seq_and_content_are_equal() -> None:
    record: Record[Any] = Record(7, FIELDS)

    assert record == Record(7, dict(FIELDS))
    assert hash(record) == hash(Record(7, dict(FIELDS)))
    assert record != Record(8, FIELDS)
    assert record != Record(7, {**FIELDS, "data": None})
    assert record != FIELDS


def test_a_record_tells_what_it_is() -> None:
    assert repr(Record(7, FIELDS)) == f"Record(seq=7, id={ID}, type='order.placed', key='42', data={{'total': 9}})"

"""A record is a view on what the log holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from outbox.log.record import Decode, Record

ID = ObjectId("0123456789abcdef01234567")
CREATED = datetime(2025, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
FIELDS: dict[str, Any] = {
    "type": "order.placed",
    "key": "42",
    "headers": {"tenant": "acme"},
    "data": {"total": 9},
}


def record_of(
    fields: dict[str, Any] = FIELDS, decode: Decode | None = None, *, seq: int = 7, id: ObjectId = ID, ms: int = 0
) -> Record[Any]:
    return Record(seq, id.binary, int(DatetimeMS(CREATED)) + ms, fields, decode)


def test_a_record_shows_the_fields_of_its_message() -> None:
    record = record_of()

    assert {name: getattr(record, name) for name in FIELDS} == FIELDS
    assert (record.seq, record.id, record.created) == (7, ID, CREATED)


def test_a_date_that_python_cannot_hold_is_shown_in_milliseconds() -> None:
    assert Record[Any](7, ID.binary, 2**62, FIELDS).created == DatetimeMS(2**62)


def test_the_message_is_decoded_only_when_asked_for() -> None:
    decoded: list[str] = []

    def decode(type: str, data: Any, headers: Any) -> Any:
        decoded.append(type)
        return data

    record = record_of(FIELDS, decode)

    assert decoded == []
    assert record.message == {"total": 9}
    assert decoded == ["order.placed"]


def test_a_record_without_a_decoder_has_no_message() -> None:
    assert record_of().message is None


def test_records_of_the_same_seq_and_content_are_equal() -> None:
    record = record_of()

    assert record == record_of(dict(FIELDS))
    assert hash(record) == hash(record_of(dict(FIELDS)))
    assert record != record_of(seq=8)
    assert record != record_of({**FIELDS, "data": None})
    assert record != record_of(id=ObjectId())
    assert record != record_of(ms=1)
    assert record != FIELDS


def test_a_record_tells_what_it_is() -> None:
    assert repr(record_of()) == f"Record(seq=7, id={ID}, type='order.placed', key='42', data={{'total': 9}})"

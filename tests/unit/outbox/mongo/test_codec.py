"""Documents are decoded in one way, and what the driver does not read costs nobody the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import bson
import pytest
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument

from outbox.mongo.codec import DECODED, RAW, decoded
from outbox.mongo.elements import DOCUMENT, TEXT, Element, document
from tests.doubles.unreadable import DATA, UNREADABLE

ID = UUID("00112233-4455-6677-8899-aabbccddeeff")
SHORT = Binary(b"short", 4)


def encoded(**fields: Any) -> bytes:
    return bson.encode(fields, codec_options=DECODED)


def elements(**fields: Any) -> bytes:
    """These fields without the document around them."""
    return encoded(**fields)[4:-1]


def test_a_date_is_aware_and_utc() -> None:
    [date] = decoded(encoded(at=datetime(2025, 1, 2, 3, 4, 5, 678_000))).values()  # noqa: DTZ001  # as BSON has it

    assert date == datetime(2025, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    assert date.utcoffset() == timedelta()


@pytest.mark.parametrize("milliseconds", [2**63 - 1, -(2**63), 253_402_300_800_000, -62_135_596_800_001])
def test_a_date_that_python_cannot_hold_is_kept_in_milliseconds(milliseconds: int) -> None:
    assert decoded(encoded(at=DatetimeMS(milliseconds))) == {"at": DatetimeMS(milliseconds)}


@pytest.mark.parametrize(
    ("milliseconds", "date"),
    [
        (253_402_300_799_999, datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        (-62_135_596_800_000, datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_last_and_the_first_date_that_python_can_hold_are_dates(milliseconds: int, date: datetime) -> None:
    assert decoded(encoded(at=DatetimeMS(milliseconds))) == {"at": date}


def test_a_uuid_comes_back_as_one() -> None:
    assert decoded(encoded(id=ID)) == {"id": ID}


def test_uuids_are_binary_when_one_of_them_has_not_16_bytes() -> None:
    assert decoded(encoded(id=ID, other=SHORT, n=7)) == {"id": Binary(ID.bytes, 4), "other": SHORT, "n": 7}


def test_text_that_is_no_utf_8_has_a_replacement_for_what_is_none() -> None:
    text = Element(TEXT, b"\x03\x00\x00\x00a\xff\x00")

    assert decoded(document([text.named(b"text"), elements(n=7)])) == {"text": "a\ufffd", "n": 7}


def test_a_document_inside_is_decoded_in_the_same_way() -> None:
    whole = encoded(inside={"at": DatetimeMS(2**62), "ids": [ID]})

    assert decoded(whole) == {"inside": {"at": DatetimeMS(2**62), "ids": [ID]}}


@pytest.mark.parametrize("name", DATA)
def test_what_cannot_be_decoded_stays_as_it_is_and_all_else_is_decoded(name: str) -> None:
    whole = document([bson.encode({"n": 7})[4:-1], Element(0x03, DATA[name]).named(b"data")])

    assert decoded(whole) == {"n": 7, "data": RawBSONDocument(DATA[name])}


def test_a_value_that_is_no_document_stays_one_of_its_own() -> None:
    uuid = Binary(b"short", 4)
    whole = document([UNREADABLE.named(b"old"), bson.encode({"id": uuid})[4:-1]])

    assert decoded(whole) == {"old": RawBSONDocument(document([UNREADABLE.named(b"old")])), "id": uuid}


def test_a_field_beside_what_cannot_be_decoded_keeps_its_uuids() -> None:
    whole = document([UNREADABLE.named(b"old"), elements(id=ID, other={"id": SHORT})])

    assert {**decoded(whole), "old": None} == {"old": None, "id": ID, "other": {"id": SHORT}}


def test_the_order_of_fields_is_kept_around_what_cannot_be_decoded() -> None:
    whole = document([elements(z=1), UNREADABLE.named(b"m"), elements(a=2)])

    assert list(decoded(whole)) == ["z", "m", "a"]


def test_raw_leaves_the_bytes_as_they_are() -> None:
    whole = document([Element(DOCUMENT, DATA["one in a list"]).named(b"data")])

    assert bson.decode(whole, codec_options=RAW).raw == whole

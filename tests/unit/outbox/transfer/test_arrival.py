"""A line becomes the same message in another outbox: every type of BSON stays what it was."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from outbox.archive.line import lines
from outbox.errors import InvalidMessage, MessageTooLarge
from outbox.mongo.codec import DECODED
from outbox.mongo.elements import elements
from outbox.staging.document import parse
from outbox.transfer.arrival import of_line, of_record
from tests.anything import BSON_VALUES, NAMES

HEAD = (7, bytes(12), 1_700_000_000_000)
NEW = ObjectId()
DATA = st.dictionaries(NAMES | st.sampled_from(["$date", "$oid"]), BSON_VALUES, max_size=5)


def stored(data: Any = None, headers: dict[str, str] | None = None) -> bytes:
    fields = {"type": "order.placed", "key": "42", "headers": headers or {}, "data": data or {"total": 1}}
    return bson.encode(fields, codec_options=DECODED)


def line(document: bytes, outbox: bytes = b',"outbox":"shop.orders"') -> bytes:
    [(_, text, _, _)] = lines([HEAD], [document])
    return text[:-2] + outbox + b"}\n"


def staged(text: bytes) -> dict[str, Any]:
    return bson.decode(of_line(text).staged(NEW, 1_800_000_000_000), DECODED)


@given(DATA)
def test_its_data_is_the_same_bytes_of_bson(data: dict[str, Any]) -> None:
    document = stored(data)
    arrived = of_line(line(document)).staged(NEW, 0)

    assert dict(elements(arrived))["data"] == dict(elements(document))["data"]


@given(DATA)
def test_a_line_and_the_record_itself_arrive_alike(data: dict[str, Any]) -> None:
    document = stored(data)

    assert of_line(line(document)) == of_record(HEAD, document, "shop.orders")


def test_it_is_staged_as_a_put_stages_and_says_where_it_is_from() -> None:
    arrived = staged(line(stored(headers={"tenant": "acme"})))

    assert arrived["_id"] == NEW
    assert arrived["headers"] == {
        "tenant": "acme",
        "origin-outbox": "shop.orders",
        "origin-seq": "7",
        "origin-id": "0" * 24,
        "origin-created": "2023-11-14T22:13:20.000Z",
    }
    assert parse(of_line(line(stored())).staged(NEW, 5)).created == 5


def test_one_that_came_over_a_third_outbox_says_where_it_was_first() -> None:
    over = staged(line(stored()))
    again = staged(line(stored(headers=over["headers"]), b',"outbox":"copy.orders"'))

    assert again["headers"] == over["headers"]


def test_a_line_of_an_archive_does_not_say_which_outbox_it_is_of() -> None:
    assert "origin-outbox" not in staged(line(stored(), b""))["headers"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "no line of an export; it is cut off"),
        (b"hello\n", "no line of an export"),
        (b"{}\n", "no line of an export"),
        (line(stored())[:-20], "it is cut off"),
        (line(stored(), b',"outbox":5'), "which is no text"),
        (line(stored(), b',"bson":"AAAA"'), "it has nothing, not type"),
        (line(stored(), b',"bson":"BQAAAAA="'), "it has nothing, not type, key, headers, data"),
        (line(stored()).replace(b'"order.placed"', b"5"), "its type is no text, but int"),
    ],
)
def test_what_is_no_message_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(InvalidMessage, match=said):
        of_line(text)


def test_a_type_that_there_is_not_is_said_with_those_that_there_are() -> None:
    arrived = of_line(line(stored()))

    with pytest.raises(InvalidMessage, match=r"no message type 'order.placed' here; there is price"):
        arrived.check(arrived.staged(NEW, 0), {"price": {}}, 1_000_000)


def test_one_that_is_too_large_is_refused_by_its_size_here_and_as_json() -> None:
    arrived = of_line(line(stored({"note": "\x01" * 400_000})))
    document = arrived.staged(NEW, 0)

    with pytest.raises(MessageTooLarge, match="max_message_bytes is 1000"):
        arrived.check(document, {"order.placed": {}}, 1000)
    with pytest.raises(MessageTooLarge, match="as JSON on Kafka"):
        arrived.check(document, {"order.placed": {}}, 1_000_000)


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        (b'"seq":7', b'"seq":-7', "its seq is -7"),
        (b'"seq":7', b'"seq":0', "its seq is 0"),
        (b'"seq":7', b'"seq":true', "its seq is True"),
        (b'"seq":7', b'"seq":"7"', "its seq is '7'"),
        (b'"seq":7', b'"seq":9223372036854775807', "its seq is 9223372036854775807"),
        (b'"created":"2023', b'"created":"9999999999', "it is no line of an export: "),
        (b'{"seq"', b"\x1f\x8b\x08\x00", "of a file that is packed"),
    ],
)
def test_a_line_that_no_outbox_has_written_is_refused(own: bytes, other: bytes, said: str) -> None:
    with pytest.raises(InvalidMessage, match=said):
        of_line(line(stored()).replace(own, other, 1))

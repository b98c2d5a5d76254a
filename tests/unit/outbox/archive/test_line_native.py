"""The compiled writer of lines: byte for byte what Python writes, or nothing at all."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from outbox.archive import line as line_module
from outbox.archive.line import _by_python, lines, write
from outbox.mongo.codec import DECODED
from tests.anything import BSON_VALUES, DECIMALS, NAMES
from tests.doubles.batches import document, element, nested, raw

pytestmark = pytest.mark.usefixtures("lines")

HEAD = (7, bytes(range(12)), 1_700_000_000_123)
DOLLARS = NAMES | NAMES.map("${}".format) | st.sampled_from(["$date", "\x01$", "\x7f$a"])
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1).map(lambda value: Int64(value) if value % 2 else value)
    | st.floats(1e-4, 1e15)
    | st.text(max_size=40)
    | st.text(st.characters(max_codepoint=160), max_size=40)
    | st.binary()
    | st.builds(Binary, st.binary(max_size=5), st.integers(0, 255).filter(lambda subtype: subtype not in (2, 4)))
    | st.uuids()
    | st.binary(min_size=12, max_size=12).map(ObjectId)
    | DECIMALS
    | st.integers(-(2**63), 2**63 - 1).map(DatetimeMS)
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(NAMES.filter(lambda name: name[:1] != "$"), inner, max_size=5)
    ),
    max_leaves=15,
)


def record(data: Any, *, type: str = "order.placed", key: str | None = "k", **headers: str) -> bytes:
    return bson.encode({"type": type, "key": key, "headers": headers, "data": data}, codec_options=DECODED)


def alike(stored: bytes) -> bool:
    """Whether the compiled writer takes a record, which it then writes as Python does."""
    [found] = write([HEAD], [stored])
    assert found is None or [found] == _by_python([HEAD], [stored])
    return found is not None


@given(
    st.lists(st.dictionaries(DOLLARS, BSON_VALUES, max_size=4), min_size=1, max_size=4),
    st.none() | NAMES,
    st.dictionaries(DOLLARS, st.text(), max_size=2),
    st.integers(-(2**62), 2**62) | st.integers(0, 2**41),
)
def test_whatever_a_driver_wrote_is_written_as_python_writes_it(
    data: list[dict[str, Any]], key: str | None, headers: dict[str, str], created: int
) -> None:
    documents = [record(each, key=key, **headers) for each in data]
    heads = [(seq, bytes(range(12)), created) for seq in range(1, len(documents) + 1)]

    assert lines(heads, documents) == _by_python(heads, documents)


@given(st.dictionaries(NAMES.filter(lambda name: name[:1] != "$"), PLAIN, max_size=4))
def test_what_is_plain_is_never_left_to_python(data: dict[str, Any]) -> None:
    assert alike(record(data, tenant="acme"))


@pytest.mark.parametrize(
    "value",
    [
        "", "Zoë", "日本語 🎉", "\0\x1f\b\t\n\f\r\"\\/\x7f\x80", "x" * 1000, "\x01" * 1000, "a$b", "\x01$",
        0, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, Int64(2**31 - 1), Int64(-(2**31)), Int64(2**63 - 1),
        0.0, -0.0, 1.5, 0.1 + 0.2, 1e-4, 123456789012345.6, b"", b"\0", Binary(b"", 255), Binary(b"a", 3), UUID(int=7),
        [], {}, {"": b""}, [b""] * 12, [[], {}, [1, "a", None]], {"": DatetimeMS(-(2**63))}, DatetimeMS(2**63 - 1),
        DatetimeMS(-1), DatetimeMS(0), DatetimeMS(253402300799999), DatetimeMS(253402300800000),
        datetime(2024, 2, 29, tzinfo=UTC), {f"name{n}": n for n in range(64)}, nested(31), ObjectId(bytes(12)),
        *(Decimal128(text) for text in ("0", "-0", "0E+6111", "0E-6176", "1E+6111", "9" * 34, "1E-6176", "-9.90")),
        Decimal128.from_bid(((0x3040 << 112) + 10**34 - 1).to_bytes(16, "little")),
        Decimal128.from_bid(((0x5FFF << 112) + 1).to_bytes(16, "little")),
    ],
)  # fmt: skip
def test_each_plain_value_is_written_in_c(value: object) -> None:
    assert alike(record({"a": value, "b": [value, value]}))


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), 1e-5, 1e16, 5e-324, Regex("a"), Timestamp(1, 1), Code("f()"), MaxKey(), MinKey(),
        DBRef("orders", 1), {"$a": 1}, [{"b": {"$date": "x"}}], Binary(b"a", 2), nested(40),
        {f"name{n}": n for n in range(65)}, Decimal128("NaN"), Decimal128("-Infinity"),
        *(
            Decimal128.from_bid(bits.to_bytes(16, "little"))
            for bits in ((0x3040 << 112) + 10**34, 0x6C10 << 112, 0x5FFF_FFFF << 96, 0x7C00_0000_0000_0001 << 64)
        ),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_python(value: object) -> None:
    assert not alike(record({"a": value}))
    assert b'"seq":7,' in lines([HEAD], [record({"a": value})])[0][1]


@given(st.binary(min_size=16, max_size=16).map(Decimal128.from_bid) | DECIMALS)
def test_every_decimal_comes_out_alike(value: Decimal128) -> None:
    alike(record({"a": [value]}))


INT = struct.pack("<i", 1)
ODD = {
    "a name twice": document(element(0x10, b"a", INT), element(0x10, b"a", INT)),
    "an array that begins at 1": document(element(0x04, b"a", document(element(0x10, b"1", INT)))),
    "an array with a name": document(element(0x04, b"a", document(element(0x10, b"0", INT), element(0x10, b"x", INT)))),
    "neither false nor true": document(element(0x08, b"a", b"\x02")),
    "text that is not UTF-8": document(element(0x02, b"a", b"\x02\0\0\0\xff\0")),
    "a name that is not UTF-8": document(element(0x10, b"\xff", INT)),
    "undefined": document(element(0x06, b"a", b"")),
    "a symbol": document(element(0x0E, b"a", b"\x02\0\0\0a\0")),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_no_driver_of_ours_writes_is_left_to_python(odd: bytes) -> None:
    fields = [element(0x02, b"type", b"\x02\0\0\0t\0"), element(0x0A, b"key", b"")]
    empty = document()
    inside = document(*fields, element(0x03, b"headers", empty), element(0x03, b"data", odd))
    assert write([HEAD], [inside]) == [None]
    inside = document(*fields, element(0x03, b"headers", odd), element(0x03, b"data", empty))
    assert write([HEAD], [inside]) == [None]


@pytest.mark.parametrize(
    "fields",
    [
        {"key": None, "type": "t", "headers": {}, "data": {}},
        {"type": "t", "key": None, "headers": {}, "data": {}, "more": 1},
        {"type": "t", "key": 3, "headers": {}, "data": {}},
        {"type": 3, "key": None, "headers": {}, "data": {}},
        {"type": "t", "key": None, "headers": None, "data": {}},
        {"type": "t", "key": None, "headers": {}, "data": 3},
        {"type": "t", "key": None, "headers": {}},
        {},
    ],
)
def test_a_record_of_other_fields_is_left_to_python(fields: dict[str, Any]) -> None:
    assert write([HEAD], [bson.encode(fields)]) == [None]


@given(st.data())
def test_bytes_that_are_cut_or_changed_do_no_harm(data: st.DataObject) -> None:
    stored = bytearray(record({"a": ["text", {"b": 1.5}, b"x"], "d": Decimal128("1.1")}, tenant="acme"))
    stored[data.draw(st.integers(0, len(stored) - 1))] = data.draw(st.integers(0, 255))

    write([HEAD, HEAD], [bytes(stored), bytes(stored[: data.draw(st.integers(0, len(stored)))])])


def test_a_date_that_python_cannot_hold_is_left_to_python() -> None:
    assert write([(1, bytes(12), 2**60)], [record({})]) == [None]
    assert b'"created":"+' in lines([(1, bytes(12), 2**60)], [record({})])[0][1]


@pytest.mark.parametrize(
    "heads", [[], [HEAD, HEAD], [None], [(1, bytes(12))], [("1", bytes(12), 3)], [(1, b"short", 3)], [(1, "text", 3)]]
)
def test_heads_that_are_none_are_refused(heads: list[Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        write(heads, [record({})])


def test_what_is_left_of_several_stands_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = [(seq, bytes(12), 1_700_000_000_000) for seq in range(1, 6)]
    documents = [record({"a": value}) for value in (1, float("nan"), "b", raw(element(0x06, b"a", b"")), 5)]

    found = lines(heads, documents)
    monkeypatch.setattr(line_module, "write", None)
    assert found == lines(heads, documents)
    assert [seq for seq, _, _, _ in found] == [1, 2, 3, 4, 5]


def test_what_grows_most_has_room() -> None:
    """Names of control characters over empty binaries; under a sanitizer it shows a byte too many."""
    most = {f"{chr(one)}{chr(other)}": b"" for one in range(1, 9) for other in range(14, 22)}

    assert alike(record({"a": [most] * 300}))

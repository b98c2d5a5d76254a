"""The compiled encoder, value by value: byte for byte what the decoding path makes, or nothing at all."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from outbox.shares.share import ALL
from relay.encoding.encoder import Encoder
from relay.errors import PoisonMessage
from tests.anything import DECIMALS, NAMES
from tests.doubles.batches import ID, LOG, batch_of, datas, document, element, nested, raw, record
from tests.doubles.encoders import assert_plain, both_ways

pytestmark = pytest.mark.usefixtures("native")


JSON_TEXT = st.text(max_size=40) | st.text(st.characters(max_codepoint=160), max_size=40)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(1e-4, 1e15)
    | JSON_TEXT
    | st.binary()
    | st.uuids()
    | st.binary(min_size=12, max_size=12).map(ObjectId)
    | DECIMALS
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(NAMES.filter(lambda name: name[:1] != "$"), inner, max_size=5)
    ),
    max_leaves=15,
)


@given(st.lists(st.dictionaries(NAMES.filter(lambda name: name[:1] != "$"), PLAIN, max_size=4), min_size=1, max_size=3))
def test_what_is_plain_is_never_left_to_python(data: list[dict[str, Any]]) -> None:
    assert_plain(datas(data))


@pytest.mark.parametrize(
    "value",
    [
        "", "Zoë", "日本語 🎉", "\U0010ffff", "\0\x1f\b\t\n\f\r\"\\/\x7f\x80", "x" * 1000, "\x01" * 1000,
        "x" * 7 + '"' + "y" * 9,
        True, False, None, 0, -1, 2**31, -(2**31), Int64(2**63 - 1), Int64(-(2**63)),
        0.0, -0.0, 1.0, 1.5, 9.9, -273.15, 0.1 + 0.2, 1e-4, 123456789012345.6, 9007199254740993.0, 1 / 3,
        ID, b"", b"\x00", b"\x00\xff", b"\x00\xff\x10", UUID(int=2**127 + 1), [], {}, [[], {}, [1, "a", None]],
        datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999000, UTC), DatetimeMS(-1), DatetimeMS(0),
        datetime(2024, 2, 29, tzinfo=UTC), datetime(1900, 3, 1, tzinfo=UTC), datetime(2000, 2, 29, tzinfo=UTC),
        {f"name{n}": n for n in range(64)}, nested(31),
    ],
)  # fmt: skip
def test_each_plain_value_is_encoded_without_python(value: object) -> None:
    assert_plain(datas([{"a": value}, {"b": [value, value]}]))


DECIMAL_TEXTS = [
    "0", "-0", "0.00", "0E+3", "-0E-20", "1", "9.90", "-273.15", "1E+1", "1E-6", "1E-7", "123E-8", "0.000001",
    "0.0000001", "123456789012345678901234567890.1234", "9999999999999999999999999999999999", "1E+6111", "1E-6176",
    "9.999999999999999999999999999999999E+6144", "1.000000000000000000000000000000000E-6143", "1000000000",
    "4294967296", "18446744073709551615", "18446744073709551616",
]  # fmt: skip


@pytest.mark.parametrize("text", DECIMAL_TEXTS)
def test_each_form_of_a_decimal_is_written_as_the_driver_writes_it(text: str) -> None:
    assert_plain(datas([{"total": Decimal128(text)}]))


# The greatest exponents before infinity, both encodings of a coefficient that is too large, the largest that is not.
DECIMAL_BITS = [
    0x77FF_0000_0000_0000 << 64, 0xF7FF_0000_0000_0000 << 64, 0x5FFF_0000_0000_0000 << 64,
    0x6000_0000_0000_0000 << 64, 0x6C10_0000_0000_0000 << 64, 0x77FF_FFFF_FFFF_FFFF << 64,
    (0x3040 << 112) + 10**34, (0x3040 << 112) + 10**34 - 1, (0x3041 << 112) + 2**112 - 1, (0xB040 << 112) + 10**18,
]  # fmt: skip


@pytest.mark.parametrize("bits", DECIMAL_BITS, ids=hex)
def test_each_odd_decimal_is_written_as_the_driver_writes_it(bits: int) -> None:
    assert_plain(datas([{"total": Decimal128.from_bid(bits.to_bytes(16, "little"))}]))


@given(st.binary(min_size=16, max_size=16).map(Decimal128.from_bid) | DECIMALS)
def test_every_decimal_is_written_as_the_driver_writes_it_and_what_is_no_number_is_left_to_python(
    value: Decimal128,
) -> None:
    batch = datas([{"totals": [value]}])

    if str(value) in ("NaN", "Infinity", "-Infinity"):
        compiled, decoded = both_ways(batch)
        assert compiled is None
        assert isinstance(decoded, PoisonMessage)
    else:
        assert_plain(batch)


# NaN and infinity, with a payload too.
@pytest.mark.parametrize(
    "bits",
    [
        0x7C00 << 112, 0xFC00 << 112, 0x7E00 << 112, 0x7800 << 112, 0xF800 << 112, 0x7C00_0000_0000_0001 << 64,
        0x7E00_1234_0000_0000 << 64, 0x7800_0000_0000_0007 << 64, 0xF8FF << 112,
    ],
    ids=hex,
)  # fmt: skip
def test_a_decimal_that_is_no_number_is_left_to_python(bits: int) -> None:
    compiled, decoded = both_ways(datas([{"a": [Decimal128.from_bid(bits.to_bytes(16, "little"))]}]))

    assert compiled is None
    assert isinstance(decoded, PoisonMessage)
    assert "data.a[0] is" in str(decoded)


@given(st.lists(st.integers(-62135596800000, 253402300799999), min_size=1))
def test_every_date_of_four_digit_years_is_written_as_python_writes_it(milliseconds: list[int]) -> None:
    assert_plain(batch_of(*(record({"at": DatetimeMS(each)}, created=each) for each in milliseconds)))


@given(st.lists(st.floats() | st.floats(-1e16, 1e16)))
def test_a_double_is_written_as_orjson_writes_it_or_left_to_python(values: list[float]) -> None:
    for value in values:
        compiled, decoded = both_ways(datas([{"a": value}]))

        assert compiled is None or compiled == decoded
        if value == 0 or 1e-4 <= abs(value) < 1e16:
            assert compiled is not None


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), float("-inf"), 1e-5, 1e16, 1e300, 5e-324,
        Regex("a"), Timestamp(1, 1), Code("f()"), Code("f()", {}), MaxKey(), MinKey(), DBRef("orders", ID),
        {"$ref": 1}, {"$id": 1}, Binary(b"a", 128), Binary(b"a", 2), Binary(b"a", 3),
        DatetimeMS(253402300800000), DatetimeMS(-62135596800001), DatetimeMS(2**63 - 1), DatetimeMS(-(2**63)),
        nested(40), {f"name{n}": n for n in range(65)},
    ],
)  # fmt: skip
def test_what_needs_a_decision_is_left_to_python(value: object) -> None:
    compiled, _ = both_ways(datas([{}, {"a": value}]))

    assert compiled is None


@pytest.mark.parametrize("name", [b"a", b"", b"\xc3\xab"])
def test_a_document_with_one_name_twice_is_left_to_python(name: bytes) -> None:
    twice = raw(element(0x0A, name, b""), element(0x0A, b"b", b""), element(0x10, name, struct.pack("<i", 1)))
    once = raw(element(0x03, b"x", document(element(0x0A, name, b""))), element(0x0A, b"y" + name, b""))

    assert both_ways(datas([twice]))[0] is None
    assert_plain(datas([once]))


BAD_TEXTS = [
    b"\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xc3", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xe2\x82",
    b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff", b"\xe2\x28\xa1", b"\xf0\x9f\x8e",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_TEXTS)
@pytest.mark.parametrize("before", [b"", b"good", b"as long as this"])
def test_text_that_is_not_utf8_is_left_to_python(text: bytes, before: bytes) -> None:
    bad = before + text
    value = element(0x02, b"a", struct.pack("<i", len(bad) + 1) + bad + b"\0")
    plain = batch_of(record({}, key="the key", tenant="the tenant"))

    assert both_ways(datas([raw(value)]))[0] is None
    assert Encoder(str, LOG).encode_plain(plain, ALL) is None  # the type is not known
    for place in (b"the key", b"the tenant"):
        size, new = struct.pack("<i", len(place) + 1), (text + place)[: len(place)]
        broken = plain._replace(raw=plain.raw.replace(size + place, size + new))
        assert both_ways(broken)[0] is None


def test_a_value_of_an_odd_shape_is_left_to_python() -> None:
    values = [
        element(0x08, b"a", b"\x02"),  # neither false nor true
        element(0x02, b"a", struct.pack("<i", 0)),
        element(0x02, b"a", struct.pack("<i", 2) + b"ab"),
        element(0x05, b"a", struct.pack("<i", -1) + b"\0"),
        element(0x05, b"a", struct.pack("<i", 100) + b"\0abc"),
        element(0x05, b"a", struct.pack("<i", 3) + b"\x04abc"),  # a UUID of three bytes
        element(0x03, b"a", struct.pack("<i", 4) + b"\0"),
        element(0x03, b"a", struct.pack("<i", 1000) + b"\0"),
        element(0x03, b"a", struct.pack("<i", 6) + b"\x0a\x01"),
        element(0x10, b"a", b"\x01"),
        element(0x13, b"a", b"\x01" * 15),
        element(0x00, b"a", b""),
        b"\x0a" + b"no end",
    ]
    encoder = Encoder(str, LOG)
    encoder.encode(batch_of(record({})).records())
    for value in values:
        broken = batch_of(record(raw(value)))
        assert encoder.encode_plain(broken, ALL) is None, value

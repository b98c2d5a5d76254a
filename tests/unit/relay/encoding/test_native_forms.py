"""The compiled encoder's Extended JSON and BSON: byte for byte what the decoding path makes, or nothing at all."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from outbox.shares.share import ALL
from relay.encoding.encoder import Encoder
from relay.encoding.values import BSON, EXTENDED_JSON, JSON, Form
from tests.anything import DECIMALS
from tests.doubles.batches import ID, LOG, batch_of, datas, document, element, nested, raw, record
from tests.doubles.encoders import assert_plain, both_ways

pytestmark = pytest.mark.usefixtures("native")

BOTH = pytest.mark.parametrize("form", [EXTENDED_JSON, BSON], ids=["extended-json", "bson"])


@BOTH
@pytest.mark.parametrize(
    "value",
    [
        "", "Zoë 🎉", "\0\x1f\"\\", "\n$", True, None, -1, 2**31 - 1, Int64(0), Int64(-(2**31)), Int64(-(2**31) - 1),
        Int64(2**31 - 1), Int64(2**31), Int64(2**63 - 1), Int64(-(2**63)), 0.0, -0.0, 9.9, 1 / 3, ID, b"",
        b"\x00\xff\x10",
        UUID(int=2**127 + 1), [], {}, [[], {}, [1, "a", None]], Decimal128("9.90"), Decimal128("-0E-20"),
        datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999000, UTC), DatetimeMS(0), DatetimeMS(1),
        datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999000, UTC),
        DatetimeMS(253402300800000), DatetimeMS(-62135596800001), DatetimeMS(2**63 - 1), DatetimeMS(-(2**63)),
        {f"name{n}": n for n in range(64)}, nested(31),
    ],
)  # fmt: skip
def test_each_usual_value_is_encoded_without_python(form: Form, value: object) -> None:
    assert_plain(datas([{"a": value}, {"b": [value, value]}]), form=form)


@BOTH
@given(st.lists(DECIMALS, min_size=1), st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_every_decimal_date_and_long_is_encoded_without_python(
    form: Form, decimals: list[Decimal128], numbers: list[int]
) -> None:
    dates = [DatetimeMS(each) for each in numbers]
    assert_plain(datas([{"a": decimals, "b": [*map(Int64, numbers)], "c": dates}]), form=form)


@pytest.mark.parametrize("value", [1e16, 5e-324, float("nan"), float("-inf"), Timestamp(1, 2), Decimal128("NaN")])
def test_bson_has_what_json_has_not(value: object) -> None:
    assert_plain(datas([{"a": value}]), form=BSON)


@BOTH
@pytest.mark.parametrize(
    "value",
    [
        Regex("a"), Code("f()"), MaxKey(), DBRef("orders", ID), {"$ref": 1}, {"$oid": 1}, Binary(b"a", 2),
         nested(40), {f"name{n}": n for n in range(65)},
    ],
)  # fmt: skip
def test_what_needs_a_decision_is_left_to_python(form: Form, value: object) -> None:
    assert both_ways(datas([{}, {"a": value}]), form=form)[0] is None


@BOTH
@pytest.mark.parametrize(
    "broken",
    [
        [element(0x0A, b"a", b""), element(0x10, b"a", struct.pack("<i", 1))],  # a name twice
        [element(0x02, b"a", struct.pack("<i", 2) + b"\xff\0")],
        [element(0x0A, b"\xff", b"")],
        [element(0x06, b"a", b"")],  # undefined, which the driver reads as null
        [element(0x0E, b"a", struct.pack("<i", 2) + b"a\0")],  # a symbol, which it reads as a string
    ],
)
def test_what_the_driver_reads_otherwise_than_it_stands_there_is_left_to_python(
    form: Form, broken: list[bytes]
) -> None:
    assert both_ways(datas([raw(*broken)]), form=form)[0] is None


@BOTH
def test_an_array_whose_indexes_are_odd_is_left_to_python(form: Form) -> None:
    odd = datas([raw(element(0x04, b"a", document(element(0x0A, b"7", b""))))])

    assert both_ways(odd, form=form)[0] is None


@pytest.mark.parametrize("subtype", [1, 3, 128])
def test_extended_json_has_other_binary_that_bson_leaves_to_python(subtype: int) -> None:
    odd = datas([{"a": Binary(b"a", subtype)}])

    assert_plain(odd, form=EXTENDED_JSON)
    assert both_ways(odd, form=BSON)[0] is None


# Both ways of writing a coefficient that is too large: zero, in bits that no text stands for.
@pytest.mark.parametrize("bits", [0x6C10_0000_0000_0000 << 64, (0x3040 << 112) + 10**34], ids=hex)
def test_a_decimal_that_no_text_stands_for_is_left_to_python(bits: int) -> None:
    odd = datas([{"a": Decimal128.from_bid(bits.to_bytes(16, "little"))}])

    assert both_ways(odd, form=EXTENDED_JSON)[0] is None
    assert_plain(odd, form=BSON)


def test_the_most_that_extended_json_grows_has_room() -> None:
    """Names and values that take most beside what they take in BSON; under a sanitizer it shows a byte too many."""
    names = [f"{chr(one)}{chr(other)}" for one in range(1, 9) for other in range(14, 22)]
    for value in (b"", Int64(-(2**31)), DatetimeMS(-(2**63)), ObjectId(bytes(12)), Decimal128("-1E-6176"), True, None):
        many = {"a": [dict.fromkeys(names, value)] * 50}
        assert_plain(datas([many, {"": value}, {"": [value] * 50}]), form=EXTENDED_JSON)


def test_a_type_has_its_own_form() -> None:
    forms = {"order": BSON, "note": EXTENDED_JSON}
    encoder = Encoder(str, LOG, lambda type: forms.get(type, JSON))
    batch = batch_of(*(record({"a": Int64(1)}, type=type) for type in ("order", "note", "other", "note", "order")))
    decoded, _, error = encoder.encode(batch.records())

    plainly = encoder.encode_plain(batch, ALL)

    assert error is None
    assert plainly is not None
    assert plainly[0][0] == decoded
    values: list[Any] = [each[3] for each in decoded]
    assert values[1:3] == [b'{"a":{"$numberLong":"1"}}', b'{"a":1}']


@BOTH
def test_a_tombstone_of_a_line_is_the_forms_own_nothing(form: Form) -> None:
    assert_plain(batch_of(record(None), record(None, **{"compaction-id": "7"}), record({}, key=None)), form=form)

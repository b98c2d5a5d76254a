"""Extended JSON loses nothing of BSON: whatever a driver wrote comes back, byte for byte."""

from __future__ import annotations

import json
import struct
import time
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, Int64, json_util
from bson.datetime_ms import DatetimeMS
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.archive.extended_json import is_suspect
from outbox.archive.line import _by_python, lines, record
from outbox.mongo.codec import DECODED
from tests.anything import BSON_VALUES, NAMES

HEAD = (7, bytes(12), 1_700_000_000_000)
DATA = st.dictionaries(
    NAMES | NAMES.map("${}".format) | st.sampled_from(["$date", "$oid", "$numberLong"]), BSON_VALUES, max_size=5
)


def document(data: Any) -> bytes:
    return bson.encode({"type": "t", "key": None, "headers": {}, "data": data}, codec_options=DECODED)


def line_of(data: Any) -> bytes:
    [(_, line, _, _)] = lines([HEAD], [document(data)])
    return line


def comes_back(stored: bytes) -> bytes:
    [(_, line, _, _)] = lines([HEAD], [stored])
    return bson.encode(record(line).stored, codec_options=DECODED)


@given(DATA)
def test_whatever_a_driver_wrote_comes_back_byte_for_byte(data: dict[str, Any]) -> None:
    stored = document(data)

    assert comes_back(stored) == stored


@settings(max_examples=50)
@given(st.lists(DATA, min_size=1, max_size=3))
def test_records_that_are_written_together_are_written_as_each_is_alone(data: list[dict[str, Any]]) -> None:
    together = _by_python([HEAD] * len(data), [document(each) for each in data])

    assert [line for _, line, _, _ in together] == [line_of(each) for each in data]


@given(DATA)
def test_where_the_line_has_no_bson_anybody_s_json_util_reads_the_data(data: dict[str, Any]) -> None:
    line = line_of(data)

    if "bson" not in json.loads(line):
        options = json_util.JSONOptions(tz_aware=True, datetime_conversion=DECODED.datetime_conversion)
        read = json_util.loads(line.decode(), json_options=options.with_options(uuid_representation=4))
        assert bson.encode({"": read["data"]}, codec_options=DECODED) == bson.encode({"": data}, codec_options=DECODED)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (Int64(5), '{"$numberLong":"5"}'),
        (Int64(2**40), str(2**40)),
        (5.0, "5.0"),
        (-0.0, "-0.0"),
        (float("inf"), '{"$numberDouble":"Infinity"}'),
        (DatetimeMS(1_700_000_000_123), '{"$date":"2023-11-14T22:13:20.123Z"}'),
        (DatetimeMS(1_700_000_000_000), '{"$date":"2023-11-14T22:13:20Z"}'),
        (DatetimeMS(-1), '{"$date":{"$numberLong":"-1"}}'),
        (DatetimeMS(2**60), '{"$date":{"$numberLong":"1152921504606846976"}}'),
        (Decimal128("9.90"), '{"$numberDecimal":"9.90"}'),
        (b"x", '{"$binary":{"base64":"eA==","subType":"00"}}'),
    ],
)
def test_a_value_is_written_in_relaxed_form_where_that_loses_nothing(value: Any, text: str) -> None:
    assert line_of({"v": value}).endswith(b'"data":{"v":%b}}\n' % text.encode())


@pytest.mark.parametrize("subtype", [0, 1, 2, 3, 4, 5, 6, 7, 8, 0x80, 0xFF])
def test_every_kind_of_binary_comes_back(subtype: int) -> None:
    stored = document({"v": Binary(bytes(range(16)), subtype)})

    assert comes_back(stored) == stored


def test_a_uuid_of_another_length_comes_back() -> None:
    stored = document({"v": b"abc"}).replace(b"\x03\x00\x00\x00\x00abc", b"\x03\x00\x00\x00\x04abc")
    [(_, line, _, _)] = lines([HEAD], [stored])

    assert record(line).stored["data"]["v"] == Binary(b"abc", 4)


def double(bits: int) -> bytes:
    return b"\x01v\x00" + struct.pack("<Q", bits)


@pytest.mark.parametrize(
    "element",
    [
        double(0x7FF8000000000001),  # a NaN that is not the usual one
        b"\x06v\x00",  # undefined
        b"\x0ev\x00\x02\x00\x00\x00a\x00",  # a symbol
        b"\x0cv\x00\x02\x00\x00\x00a\x00" + bytes(12),  # a DBPointer
        b"\x02v\x00\x02\x00\x00\x00\xff\x00",  # text that is not UTF-8
        b"\x10v\x00\x01\x00\x00\x00\x10v\x00\x02\x00\x00\x00",  # one name twice
        b"\x0bv\x00a\x00z\x00",  # an option of a regex that Python has not
    ],
    ids=["NaN", "undefined", "symbol", "DBPointer", "not-utf-8", "twice", "regex"],
)
def test_what_extended_json_cannot_say_stands_beside_it_as_bson(element: bytes) -> None:
    data = (len(element) + 5).to_bytes(4, "little") + element + b"\x00"
    content = document(None)[4:-1].replace(b"\x0adata\x00", b"\x03data\x00" + data)
    stored = (len(content) + 5).to_bytes(4, "little") + content + b"\x00"
    [(seq, line, _, type)] = lines([HEAD], [stored])

    assert (seq, type) == (7, "t")
    assert "bson" in json.loads(line)
    assert record(line).stored["data"] is not None


def test_a_long_text_of_control_characters_takes_no_longer_than_another() -> None:
    """Watches over the search for doubles, which took minutes for it: half a millisecond of CPU for this one, or
    a second when the time grows with the square of the length."""
    stored = document({"v": "\x01" * 40_000})
    began = time.process_time()

    assert not is_suspect(stored)
    assert time.process_time() - began < 0.2

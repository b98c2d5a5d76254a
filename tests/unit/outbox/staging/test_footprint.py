"""What a message takes on Kafka is known when it is put."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128
from hypothesis import given
from hypothesis import strategies as st

from outbox import MessageTooLarge
from outbox.messages.json_value import Unencodable, json_value
from outbox.mongo.codec import DECODED, decoded
from outbox.staging.footprint import GROWTH, TOPIC_BYTES, check_footprint, json_bytes, largest
from tests.anything import BSON_VALUES, NAMES

DEFAULT = 1_000_000
"""Of `max_message_bytes`."""


@given(st.dictionaries(NAMES, BSON_VALUES, max_size=5))
def test_it_is_never_less_than_what_the_relay_writes_and_hardly_more(data: dict[str, Any]) -> None:
    encoded = bson.encode(data, codec_options=DECODED)
    value = decoded(encoded)
    try:
        written = len(json_value(value))
    except Unencodable:
        return
    assert written <= json_bytes(value) <= written + len(encoded)
    assert written <= GROWTH * len(encoded)


@pytest.mark.parametrize(
    "value",
    ["", "Zoë", '"\\\n\x01\x7f', True, 0, -(2**63), 1.5, 1 / 3, b"", b"abcd", Binary(b"x", 128), Decimal128("9.90")],
)
def test_it_is_exact(value: object) -> None:
    data = decoded(bson.encode({"name": value, "more": [value, value]}, codec_options=DECODED))

    over = json_bytes(data) - len(json_value(data))

    assert 0 <= over <= 4 + 3 * (value is True)  # a comma after the last of each, and `false` is longer


TOO_LARGE_AS_JSON = {
    "a binary": b"\x00" * 900_000,
    "dates": [datetime(2025, 1, 1, tzinfo=UTC)] * 60_000,
    "quotes": '"' * 950_000,
    "control characters": "\x01" * 300_000,
    "doubles": [-2.2250738585072014e-308] * 65_000,
    "decimals": [Decimal128("-1.234567890123456789012345678901234E-6000")] * 40_000,
}


def staged(data: Any) -> bytes:
    return bson.encode({"type": "t", "key": None, "headers": {}, "data": data}, codec_options=DECODED)


@pytest.mark.parametrize("name", TOO_LARGE_AS_JSON)
def test_what_mongodb_takes_and_kafka_would_not_is_refused(name: str) -> None:
    document = staged({"value": TOO_LARGE_AS_JSON[name]})
    assert len(document) <= DEFAULT

    with pytest.raises(MessageTooLarge, match=f"more than {TOPIC_BYTES}") as refused:
        check_footprint("t", None, {}, document, DEFAULT)

    assert f"takes {len(document)} bytes in MongoDB" in str(refused.value)


@pytest.mark.parametrize("name", TOO_LARGE_AS_JSON)
def test_it_is_taken_with_a_larger_max_message_bytes(name: str) -> None:
    check_footprint("t", None, {}, staged({"value": TOO_LARGE_AS_JSON[name]}), 2_500_000)


def test_headers_and_key_count() -> None:
    document = staged({"note": "x" * 990_000})
    headers = {f"h{number}": "ü" * 8192 for number in range(4)}

    check_footprint("t", "k", {}, document, DEFAULT)
    with pytest.raises(MessageTooLarge):
        check_footprint("t", "k", headers, document, DEFAULT)


def test_text_as_long_as_mongodb_takes_it_is_taken() -> None:
    check_footprint("t", "k", {}, staged({"note": "x" * 999_900}), DEFAULT)


def test_a_small_limit_does_not_keep_out_what_every_topic_takes() -> None:
    assert largest(10_000) == largest(DEFAULT) == TOPIC_BYTES
    assert largest(2_000_000) == 2_048_588

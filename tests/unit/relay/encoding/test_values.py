"""Values in BSON and in Extended JSON, read back by MongoDB's own library."""

from __future__ import annotations

import math
from typing import Any

import bson
import pytest
from bson import Int64, json_util
from bson.json_util import JSONOptions
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from hypothesis import strategies as st

from outbox.messages.json_value import Unencodable
from outbox.mongo.codec import STORED
from relay.encoding.values import bson_of, extended_json_of, json_of
from tests.anything import BSON_VALUES, NAMES
from tests.doubles.batches import batch_of, datas, document, element, raw, record
from tests.doubles.unreadable import DATA as DATA_OF_OTHERS

READ = JSONOptions(
    tz_aware=True, uuid_representation=STORED.uuid_representation, datetime_conversion=STORED.datetime_conversion
)
DATA = st.dictionaries(NAMES, BSON_VALUES, max_size=5)


def stored(data: Any) -> bytes:
    return bson.encode(data, codec_options=STORED.with_options(uuid_representation=4))


@given(DATA)
def test_bson_is_what_was_put_byte_for_byte(data: dict[str, Any]) -> None:
    [found] = datas([data]).records()

    assert bson_of(found) == stored(data)


@given(DATA)
def test_extended_json_is_read_back_as_what_was_put(data: dict[str, Any]) -> None:
    [found] = datas([data]).records()
    try:
        text = extended_json_of(found)
    except Unencodable as refused:
        assert "Extended JSON cannot say" in str(refused)  # noqa: PT017  # of the few that it may refuse
        return

    assert text is not None
    back = json_util.loads(text.decode(), json_options=READ)
    assert stored(back) == stored(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"a": 1, "b": 1.5, "c": "x"}, b'{"a":1,"b":1.5,"c":"x"}'),
        ({"a": Int64(5), "b": 2**40}, b'{"a":{"$numberLong":"5"},"b":1099511627776}'),
        ({"a": math.inf}, b'{"a":{"$numberDouble":"Infinity"}}'),
    ],
)
def test_extended_json_is_relaxed_where_nothing_is_lost(data: dict[str, Any], text: bytes) -> None:
    [found] = datas([data]).records()

    assert extended_json_of(found) == text


def test_a_name_that_extended_json_has_for_itself_is_refused() -> None:
    batch = batch_of(record(raw(element(3, b"a", document(element(2, b"$oid", b"\4\0\0\0abc\0"))))))
    [found] = batch.records()

    with pytest.raises(Unencodable, match="the encoding bson carries it"):
        extended_json_of(found)
    assert bson.decode(bson_of(found) or b"") == {"a": {"$oid": "abc"}}


@pytest.mark.parametrize("data", DATA_OF_OTHERS.values(), ids=DATA_OF_OTHERS)
def test_bson_carries_what_the_driver_cannot_read(data: bytes) -> None:
    [found] = batch_of(record(RawBSONDocument(data))).records()

    assert bson_of(found) == data


@pytest.mark.parametrize(("value", "nothing"), [(json_of, b"null"), (extended_json_of, b"null"), (bson_of, b"")])
def test_a_tombstone_is_null_when_it_ends_a_key_and_else_has_a_value(value: Any, nothing: bytes) -> None:
    [of_key, of_line] = batch_of(record(None), record(None, **{"compaction-id": "7"})).records()

    assert (value(of_key), value(of_line)) == (None, nothing)

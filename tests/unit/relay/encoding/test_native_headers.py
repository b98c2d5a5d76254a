"""The compiled encoder and headers: those of the relay, and those that a message brings."""

from __future__ import annotations

import bson
import pytest

from outbox.log.batch import record as packed
from outbox.messages.limits import RESERVED_HEADERS
from outbox.shares.share import ALL
from relay.encoding.encoder import Encoder
from tests.doubles.batches import CREATED, ID, LOG, batch_of, record
from tests.doubles.encoders import assert_plain, both_ways

pytestmark = pytest.mark.usefixtures("native")


@pytest.mark.parametrize("name", RESERVED_HEADERS)
def test_headers_that_take_a_name_of_the_relays_are_left_to_python(name: str) -> None:
    rest = bson.encode({"type": "order", "key": None, "headers": {"a": "b", name: "x"}, "data": None})[4:]
    near = bson.encode({"type": "order", "key": None, "headers": {name + "s": "x", name[:-1]: "y"}, "data": None})[4:]

    assert both_ways(batch_of(packed(ID.binary, CREATED, rest)))[0] is None
    assert_plain(batch_of(packed(ID.binary, CREATED, near)))


@pytest.mark.parametrize("value", [1, None, ["a"], {"a": "b"}])
def test_headers_that_are_not_text_are_left_to_python(value: object) -> None:
    rest = bson.encode({"type": "order", "key": None, "headers": {"a": value}, "data": None})[4:]

    assert both_ways(batch_of(packed(ID.binary, CREATED, rest)))[0] is None


def test_a_tombstone_with_a_compaction_id_has_a_value_and_its_neighbours_of_the_same_key_have_none() -> None:
    own = {"compaction-id": "7"}
    batch = batch_of(
        record(None), record(None, **own), record(None, **own), record({"a": 1}, **own), record(None, tenant="acme"),
        record(None, **own, tenant="acme"), record(None, **{"compaction-ids": "x", "compaction-i": "y"}), record(None),
    )  # fmt: skip

    compiled, decoded = both_ways(batch)

    assert compiled == decoded
    assert compiled is not None
    assert [each[3] for each in compiled[0]] == [None, b"null", b"null", b'{"a":1}', None, b"null", None, None]


def test_a_type_of_unknown_topic_is_left_to_python() -> None:
    batch = batch_of(record({}), record({}, type="new"))
    encoder = Encoder(str, LOG)

    assert encoder.encode_plain(batch, ALL) is None
    outgoing, marks, error = encoder.encode(batch.records())
    assert error is None
    assert encoder.encode_plain(batch, ALL) == [(outgoing, marks)]

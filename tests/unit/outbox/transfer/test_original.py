"""A record that a mirror carries has the bytes of BSON that the log has, also where no driver reads them."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from outbox.errors import UndecodableRecord
from outbox.log import batch
from outbox.log.batch import Batch, parse
from outbox.mongo.codec import DECODED
from outbox.shares.share import ALL
from outbox.transfer.original import Original, Originals
from tests.anything import BSON_VALUES, NAMES

ID = ObjectId()


def document(data: Any) -> bytes:
    return bson.encode({"type": "t", "key": "k", "headers": {}, "data": data}, codec_options=DECODED)


def batch_of(*documents: bytes) -> Batch:
    records = [batch.record(ID.binary, 5, each[4:]) for each in documents]
    return parse(batch.pack(7, 0, 7, records))


def originals(log_batch: Batch) -> list[Original]:
    encoded = Originals().encode_plain(log_batch, ALL)
    assert encoded is not None
    [(deliveries, marks)] = encoded
    assert marks == [(seq, 5, ID.binary) for seq, _ in deliveries]
    found = [record for _, record in deliveries]
    assert all(isinstance(record, Original) for record in found)
    return found  # type: ignore[return-value]  # looked at above


@given(st.dictionaries(NAMES, BSON_VALUES, max_size=4))
def test_its_bytes_are_those_of_the_log(data: dict[str, Any]) -> None:
    stored = document(data)

    assert [(each.seq, each.document) for each in originals(batch_of(stored, stored))] == [(7, stored), (8, stored)]


def test_what_no_driver_reads_is_carried_all_the_same() -> None:
    stored = document({"v": 1.5}).replace(b"\x01v\x00", b"\x09v\x00").replace(b"\x03data", b"\x0bdata")
    [each] = originals(batch_of(document({"v": 5}).replace(b"\x10v\x00", b"\x77v\x00")))

    assert b"\x77v\x00" in each.document
    with pytest.raises(UndecodableRecord):
        _ = each.data
    assert stored


def test_a_letter_has_the_bytes_of_its_fields() -> None:
    [original] = originals(batch_of(document({"v": 1})))
    [(seq, again)], marks, error = Originals().encode([original])

    assert (seq, error, marks) == (7, None, [(7, 5, ID.binary)])
    assert isinstance(again, Original)
    assert (again.head, again.document) == (original.head, original.document)

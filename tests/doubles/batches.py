"""Record batches as the log has them, written by hand: also of what no driver would write."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from outbox.log import batch
from outbox.log.batch import Batch
from outbox.mongo.codec import DECODED

ID = ObjectId("65a000000000000000000001")
CREATED = 1_735_787_045_678
LOG = "shop.outbox/65a00000"


def record(
    data: Any, *, type: str = "order", key: str | None = "k", created: int = CREATED, **headers: str
) -> tuple[bytes, bytes]:
    """One element of a batch's records. `data` may be a RawBSONDocument."""
    rest = bson.encode({"type": type, "key": key, "headers": headers, "data": data}, codec_options=DECODED)[4:]
    return batch.record(ID.binary, created, rest)


def batch_of(*records: tuple[bytes, bytes], first: int = 1) -> Batch:
    """A batch of these, as it is read from the log."""
    return batch.parse(batch.pack(first, 7, 3, records))


def element(type: int, name: bytes, value: bytes) -> bytes:
    """One field of a BSON document."""
    return bytes([type]) + name + b"\0" + value


def document(*elements: bytes) -> bytes:
    """A BSON document of these fields, whatever their names and types."""
    inside = b"".join(elements)
    return struct.pack("<i", len(inside) + 5) + inside + b"\0"


def raw(*elements: bytes) -> RawBSONDocument:
    """The same document, which is encoded as it is."""
    return RawBSONDocument(document(*elements))


def nested(levels: int) -> dict[str, Any]:
    """A document with this many documents in each other."""
    made: dict[str, Any] = {}
    for _ in range(levels - 1):
        made = {"a": made}
    return made


def datas(records: Sequence[Mapping[str, Any]]) -> Batch:
    """A batch of records that differ in their data alone."""
    return batch_of(*(record(data) for data in records))

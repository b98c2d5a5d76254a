"""BSON that the server stores and pymongo does not read."""

from __future__ import annotations

from typing import Any

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from outbox.mongo.elements import ARRAY, DOCUMENT, Element, document
from tests.actors.order_service import foreign

# Subtype 2 holds a length of its own, which has to fit; nobody but the drivers looks.
UNREADABLE = Element(0x05, b"\x02\x00\x00\x00\x02ab")

DATA = {
    "a binary of the old kind": document([UNREADABLE.named(b"b")]),
    "one without its length": document([Element(0x05, b"\x00\x00\x00\x00\x02").named(b"b")]),
    "one in a list": document([Element(ARRAY, document([UNREADABLE.named(b"0")])).named(b"list")]),
    "one in a document": document([Element(DOCUMENT, document([UNREADABLE.named(b"b")])).named(b"inner")]),
}


def with_data(data: bytes, **fields: Any) -> RawBSONDocument:
    """A staging document whose data is this BSON, as a driver of another language may insert it."""
    whole = foreign(**{"_id": ObjectId(), **fields})
    del whole["data"]
    return RawBSONDocument(document([bson.encode(whole)[4:-1], Element(DOCUMENT, data).named(b"data")]))

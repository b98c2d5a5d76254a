"""Makes the messages of a benchmark: an order of 28 values, or one long text, padded to a given size."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import bson
import orjson
from bson import ObjectId
from mongoengine import (  # type: ignore[import-untyped]  # mongoengine ships no types
    DateTimeField,
    Decimal128Field,
    EmbeddedDocument,
    EmbeddedDocumentListField,
    IntField,
    LongField,
    StringField,
)

from outbox import message
from outbox.staging import document as staging

KEYS = 1000
HEADERS = {"tenant": "acme"}
_ID = 4 + 1 + len(b"_id\0")
"""Where the id begins: after the length, its type and its name."""
_DAY = datetime(2025, 1, 2, tzinfo=UTC)


class Line(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    sku = StringField(required=True, max_length=40)
    title = StringField(required=True)
    quantity = IntField(required=True, min_value=1)
    cents = IntField(required=True, min_value=0)


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):  # type: ignore[misc]  # as above
    order_id = StringField(required=True)
    sent = LongField(required=True)  # nanoseconds since the epoch, when it was put
    customer = StringField(required=True)
    currency = StringField(required=True, choices=("EUR", "USD"))
    total = Decimal128Field(required=True, min_value=0)
    placed = DateTimeField(required=True)
    lines = EmbeddedDocumentListField(Line, required=True)
    note = StringField()


@message("note.taken", key="order_id")
class NoteTaken(EmbeddedDocument):  # type: ignore[misc]  # as above
    order_id = StringField(required=True)
    sent = LongField(required=True)
    note = StringField()


Sent = OrderPlaced | NoteTaken
TYPES: dict[type[Any], str] = {OrderPlaced: "order.placed", NoteTaken: "note.taken"}


def order(number: int, size: int) -> OrderPlaced:
    """The order of this number, in a staged document of about `size` bytes (some 800 at least)."""
    lines = [
        Line(sku=f"SKU-{number + line:05d}", title=f"Number {number} of the catalogue", quantity=line + 1, cents=999)
        for line in range(4)
    ]
    placed = OrderPlaced(
        order_id=_key(number),
        sent=0,
        customer=f"customer-{number * 7919 % 1_000_000:06d}",
        currency="EUR",
        total=f"{100 + number % 9000}.90",
        placed=_DAY,
        lines=lines,
        note="",
    )
    placed.note = _padding(number, placed, size)
    return placed


def note(number: int, size: int) -> NoteTaken:
    """The note of this number, in a staged document of about `size` bytes (some 200 at least)."""
    taken = NoteTaken(order_id=_key(number), sent=0, note="")
    taken.note = _padding(number, taken, size)
    return taken


def _key(number: int) -> str:
    return f"order-{number % KEYS:04d}"


def _padding(number: int, sent: Sent, size: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz0123456789"[number % 36] * max(0, size - len(staged(sent)))


def document(sent: Sent) -> dict[str, Any]:
    """The staging document that `put` would make of it, with an id of its own."""
    return bson.decode(staged(sent))


def staged(sent: Sent) -> bytes:
    """The same document, encoded."""
    created = time.time_ns() // 1_000_000
    data = sent.to_mongo().to_dict()
    return staging.encode(ObjectId(), created, TYPES[type(sent)], sent.order_id, HEADERS, data)


def renewed(staged: bytes) -> bytes:
    """The same document with another id."""
    return staged[:_ID] + ObjectId().binary + staged[_ID + 12 :]


def _note_bytes() -> int:
    bare = note(0, 0)
    return len(staged(bare)) - len(orjson.dumps(bare.to_mongo().to_dict()))


NOTE_BYTES = _note_bytes()
"""By how much a note's staged document is larger than its value on Kafka."""

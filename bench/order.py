"""The message that is measured with: an order of four lines, padded to a given size."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import bson
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

from outbox import message, staging

TYPE = "order.placed"
KEYS = 1000
HEADERS = {"tenant": "acme"}
_DAY = datetime(2025, 1, 2, tzinfo=UTC)


class Line(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    sku = StringField(required=True, max_length=40)
    title = StringField(required=True)
    quantity = IntField(required=True, min_value=1)
    cents = IntField(required=True, min_value=0)


@message(TYPE, key="order_id")
class OrderPlaced(EmbeddedDocument):  # type: ignore[misc]  # as above
    order_id = StringField(required=True)
    sent = LongField(required=True)  # nanoseconds since the epoch, when it was put
    customer = StringField(required=True)
    currency = StringField(required=True, choices=("EUR", "USD"))
    total = Decimal128Field(required=True, min_value=0)
    placed = DateTimeField(required=True)
    lines = EmbeddedDocumentListField(Line, required=True)
    note = StringField()


def order(number: int, size: int) -> OrderPlaced:
    """The order of this number, in a staged document of about `size` bytes (some 700 at least)."""
    lines = [
        Line(sku=f"SKU-{number + line:05d}", title=f"Number {number} of the catalogue", quantity=line + 1, cents=999)
        for line in range(4)
    ]
    made = OrderPlaced(
        order_id=f"order-{number % KEYS:04d}",
        sent=0,
        customer=f"customer-{number * 7919 % 1_000_000:06d}",
        currency="EUR",
        total=f"{100 + number % 9000}.90",
        placed=_DAY,
        lines=lines,
        note="",
    )
    made.note = "abcdefghijklmnopqrstuvwxyz0123456789"[number % 36] * max(0, size - len(staged(made)))
    return made


def document(placed: OrderPlaced) -> dict[str, Any]:
    """The staging document that `put` would make of it, with an id of its own."""
    return bson.decode(staged(placed))


def staged(placed: OrderPlaced) -> bytes:
    """As `document`, encoded."""
    created = time.time_ns() // 1_000_000
    return staging.encode(ObjectId(), created, TYPE, placed.order_id, HEADERS, placed.to_mongo().to_dict())

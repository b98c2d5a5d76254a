"""An order service's messages, and what other writers may insert into its staging."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId, Timestamp
from bson.datetime_ms import DatetimeMS
from mongoengine import DictField, EmbeddedDocument, IntField, StringField  # type: ignore[import-untyped]  # no types
from pymongo.database import Database

from outbox import Outbox, Record, message

Document = dict[str, Any]

DAY = datetime(2025, 1, 1, tzinfo=UTC)


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    order_id = StringField(required=True)
    total = IntField(min_value=0)
    note = StringField()


@message("order.cancelled", key="order_id")
class OrderCancelled(EmbeddedDocument):  # type: ignore[misc]  # as above
    order_id = StringField(required=True)


@message("stock.counted")
class StockCounted(EmbeddedDocument):  # type: ignore[misc]  # as above
    count = IntField()


@message("tree.grown")
class TreeGrown(EmbeddedDocument):  # type: ignore[misc]  # as above
    tree = DictField()


MESSAGES = (OrderPlaced, OrderCancelled, StockCounted, TreeGrown)


def placed(total: int, order_id: str = "42", **fields: Any) -> Any:
    """A message; Any, because mongoengine's classes have no types."""
    return OrderPlaced(order_id=order_id, total=total, **fields)


def new_outbox(database: Database[Document], **options: Any) -> Outbox:
    """Creates an outbox for all of these messages."""
    outbox = Outbox(database, messages=MESSAGES, **options)
    outbox.create()
    return outbox


def foreign(total: int = 0, **fields: Any) -> Document:
    """A staging document as a service in another language would insert it."""
    return {
        "_id": ObjectId(),
        "at": Timestamp(0, 0),
        "created": DatetimeMS(1_700_000_000_000),
        "type": "order.placed",
        "key": "42",
        "headers": {},
        "data": {"order_id": "42", "total": total},
        **fields,
    }


def put_at(orders: Outbox, *minutes: int) -> None:
    """Puts one batch into the log, of messages put at these minutes of DAY, which are their totals too."""
    for minute in minutes:
        orders.collections.staging.insert_one(foreign(minute, created=DAY + timedelta(minutes=minute)))
    orders.sequence()


def unchecked(orders: Outbox, *documents: Any) -> None:
    """Inserts past the validator, which needs a privilege of its own."""
    orders.collections.database.command(
        {"insert": orders.collections.staging.name, "documents": list(documents), "bypassDocumentValidation": True}
    )


def totals(records: Iterator[Record[Any]] | list[Record[Any]]) -> list[int]:
    """What tells the records of these tests apart."""
    return [record.data["total"] for record in records if record.data is not None]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the outbox has logged as a warning or worse."""
    return [line.getMessage() for line in caplog.records if line.name == "outbox" and line.levelno >= logging.WARNING]

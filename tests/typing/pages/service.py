"""A service with pymongo, mongoengine's message classes, and an outbox."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

from bson import Decimal128, ObjectId
from mongoengine import EmbeddedDocument, IntField, LongField, StringField
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from outbox import Consumer, Outbox, Record, message
from outbox.archive import Archive

__all__ = ["Decimal128", "LongField", "datetime"]


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    pieces = IntField()


@message("order.paid", key="order_id")
class OrderPaid(EmbeddedDocument):
    order_id = StringField(required=True)


@message("price", key="sku", compact=True)
class Price(EmbeddedDocument):
    sku = StringField(required=True)


@message("ship", key="order_id")
class Ship(EmbeddedDocument):
    order_id = StringField(required=True)


client: MongoClient[dict[str, Any]]
session: ClientSession
orders: Outbox
shipments: Outbox
archive: Archive
billing: Consumer[OrderPlaced]
ledger: Collection[dict[str, Any]]
id: ObjectId
ready: threading.Event


def known(customer: str) -> bool: ...  # type: ignore[empty-body]


def send_invoice(message: OrderPlaced, *, idempotency_key: str) -> None: ...


def begin(record: Record[Any]) -> None: ...


def work(record: Record[OrderPlaced]) -> None: ...


def handle(record: Record[OrderPlaced]) -> None: ...


def add(state: Any, record: Record[Any]) -> Any: ...


def update(record: Record[Any]) -> None: ...


def charge(record: Record[OrderPlaced]) -> None: ...


def tell(event: object) -> None: ...


def report(error: Exception) -> None: ...

"""A catalogue: prices that replace each other by their key, and order lines that do by another field."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from mongoengine import EmbeddedDocument, IntField, StringField  # type: ignore[import-untyped]  # has no types
from pymongo.database import Database

from outbox import Outbox, message
from tests.actors.order_service import foreign

Document = dict[str, Any]


@message("price", key="sku", compact=True)
class Price(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    sku = StringField(required=True)
    cents = IntField()


@message("line", key="order_id", compact="line_id")
class BasketLine(EmbeddedDocument):  # type: ignore[misc]  # as above
    order_id = StringField(required=True)
    line_id = IntField(db_field="line")
    pieces = IntField()


@message("view", key="sku")
class Viewed(EmbeddedDocument):  # type: ignore[misc]  # as above
    sku = StringField(required=True)


MESSAGES = (Price, BasketLine, Viewed)


def price(sku: str, cents: int) -> Any:
    """A message; Any, because mongoengine's classes have no types."""
    return Price(sku=sku, cents=cents)


def line(order_id: str, line_id: int, pieces: int) -> Any:
    """As `price`."""
    return BasketLine(order_id=order_id, line_id=line_id, pieces=pieces)


def viewed(sku: str) -> Any:
    """As `price`, of a type that is not compacted."""
    return Viewed(sku=sku)


def new_catalogue(database: Database[Document], **options: Any) -> Outbox:
    """Creates an outbox for all of these messages."""
    catalogue = Outbox(database, messages=MESSAGES, **options)
    catalogue.create()
    return catalogue


def staged(type: str, data: Document | None, key: str | None = "k", **headers: str) -> Document:
    """A staging document as a service in another language would insert it."""
    return foreign(_id=ObjectId(), type=type, key=key, headers=headers, data=data)

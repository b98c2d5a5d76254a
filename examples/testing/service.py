"""A shop: it takes orders, and bills them when it hears of them."""

from __future__ import annotations

from typing import Any, Protocol

from mongoengine import EmbeddedDocument, IntField, StringField

from outbox import Outbox, Record, Reject, message


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    pieces = IntField(required=True, min_value=1)


@message("order.billed", key="order_id")
class OrderBilled(EmbeddedDocument):
    order_id = StringField(required=True)
    cents = IntField(required=True)


class Stock(Protocol):
    """Where the shop keeps its pieces: a collection in production."""

    def take(self, pieces: int, session: Any) -> None: ...


class Shop:
    def __init__(self, outbox: Outbox, stock: Stock) -> None:
        self._outbox = outbox
        self._stock = stock

    def place(self, order_id: str, pieces: int, session: Any) -> None:
        """Takes the pieces and tells of the order, in the caller's transaction."""
        self._outbox.put(OrderPlaced(order_id=order_id, pieces=pieces), session=session)
        self._stock.take(pieces, session)


class Billing:
    """Handles the shop's orders: `consumer.run_in_transaction(billing.bill)`."""

    def __init__(self, outbox: Outbox, cents: int) -> None:
        self._outbox = outbox
        self._cents = cents

    def bill(self, record: Record[OrderPlaced], session: Any) -> None:
        assert record.message is not None
        if record.message.pieces > 1000:
            raise Reject("nobody orders so many")
        total = record.message.pieces * self._cents
        self._outbox.put(OrderBilled(order_id=record.message.order_id, cents=total), session=session)

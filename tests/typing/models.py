"""pydantic models as message classes, as their users see them: checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import Any, assert_type

from bson import ObjectId
from pydantic import BaseModel
from reactivex import Observable

from outbox import Consumer, Outbox, PlainMessage, Record, message, message_type, tombstone
from outbox.operators import of_type
from outbox.testing import MemoryOutbox


@message("price", key="sku", compact=True)
class Price(BaseModel):
    sku: str
    cents: int


Shipped = message_type("order.shipped", key="order_id", schema={"properties": {"order_id": {"bsonType": "string"}}})


class NoMessage:
    pass


def the_decorated_class_keeps_its_type() -> None:
    assert_type(Price, type[Price])
    assert_type(Price(sku="a", cents=1).cents, int)
    Price(sku="a", cents="1")  # type: ignore[arg-type]  # checked as any model's


def put_models(orders: Outbox, memory: MemoryOutbox) -> None:
    one = Price(sku="a", cents=1)
    assert_type(orders.put(one, standalone=True), ObjectId)
    assert_type(orders.put([one, tombstone(Price, key="a")], standalone=True), list[ObjectId])
    assert_type(memory.put([one]), list[ObjectId])
    orders.put(NoMessage())  # type: ignore[call-overload]  # neither a document nor a model
    orders.put({"sku": "a"})  # type: ignore[call-overload]  # nor this


def read_models(orders: Outbox, record: Record[Price]) -> None:
    assert_type(record.message, Price | None)
    prices = orders.observe().pipe(of_type(Price))
    assert_type(prices, Observable[Record[Price]])
    assert_type(orders.consumer("prices", types=[Price]), Consumer[Price])
    prices.subscribe(handle)


def handle(record: Record[Price]) -> None:
    if record.message is not None:
        assert_type(record.message.cents, int)


def read_anything(record: Record[Any]) -> None:
    assert_type(record.message, Any | None)


def plain_dicts(orders: Outbox) -> None:
    assert_type(orders.put(Shipped({"order_id": "42"}), standalone=True), ObjectId)
    assert_type(orders.consumer("shipped", types=[Shipped]), Consumer[PlainMessage])

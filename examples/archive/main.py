"""Puts some orders, for an archiver to keep for ever."""

import os

from mongoengine import EmbeddedDocument, IntField, StringField
from pymongo import MongoClient

from outbox import Outbox, message


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    cents = IntField(required=True)


@message("order.cancelled", key="order_id")
class OrderCancelled(EmbeddedDocument):
    order_id = StringField(required=True)


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
orders = Outbox(client.get_default_database("shop"), "orders", messages=[OrderPlaced, OrderCancelled])


def main() -> None:
    orders.create()
    placed = [OrderPlaced(order_id=str(number), cents=990) for number in (1, 2, 3)]
    orders.put([*placed, OrderCancelled(order_id="2")], standalone=True)
    orders.sequence()


if __name__ == "__main__":
    main()

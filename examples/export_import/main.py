"""Two outboxes with the same messages: what one has is exported as lines of text, and imported into the other."""

import os
import sys

from mongoengine import DecimalField, EmbeddedDocument, StringField
from pymongo import MongoClient

from outbox import Outbox, message


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    price = DecimalField(required=True, precision=2)


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
database = client.get_default_database("shop")
orders = Outbox(database, "orders", messages=[OrderPlaced])
copy = Outbox(database, "copy", messages=[OrderPlaced])


def put() -> None:
    for outbox in (orders, copy):
        outbox.create()
    orders.put([OrderPlaced(order_id=str(number), price="9.90") for number in (1, 2)], standalone=True)
    orders.sequence()


def show() -> None:
    copy.sequence()
    for record in copy.read():
        order = record.message
        assert order is not None  # which it is of a type that this program has no class for
        print(f"{record.seq}: order {record.key} for {order.price}, seq {record.headers['origin-seq']} before")


if __name__ == "__main__":
    show() if sys.argv[1:] == ["show"] else put()

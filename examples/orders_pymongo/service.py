"""An order service in plain pymongo: the order, the stock and the message commit together, or none of them does.

`service.py 5` takes five orders and ends; `service.py` takes one a second until it is stopped.
"""

import itertools
import os
import sys
import threading

from mongoengine import EmbeddedDocument, IntField, StringField
from pymongo import MongoClient
from pymongo.client_session import ClientSession

from outbox import Outbox, message


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    sku = StringField(required=True)
    pieces = IntField(required=True, min_value=1)


class OutOfStock(Exception):
    """There are fewer pieces than were ordered."""


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
shop = client.get_default_database("shop")
outbox = Outbox(shop, messages=[OrderPlaced])


def place_order(order_id: str, sku: str, pieces: int) -> None:
    """Raises OutOfStock, and then nothing was written and nobody is told."""

    def work(session: ClientSession) -> None:
        shop.orders.insert_one({"_id": order_id, "sku": sku, "pieces": pieces}, session=session)
        outbox.put(OrderPlaced(order_id=order_id, sku=sku, pieces=pieces), session=session)
        enough = {"_id": sku, "pieces": {"$gte": pieces}}
        if shop.stock.update_one(enough, {"$inc": {"pieces": -pieces}}, session=session).matched_count == 0:
            raise OutOfStock(sku)

    with client.start_session() as session:
        session.with_transaction(work)  # retries `work` when another transaction was faster


def main(orders: int | None) -> None:
    outbox.create()
    shop.stock.update_one({"_id": "apple"}, {"$setOnInsert": {"pieces": 10}}, upsert=True)
    for _ in itertools.count() if orders is None else range(orders):
        number = str(shop.orders.count_documents({}) + 1)
        try:
            place_order(number, "apple", pieces=3)
            print(f"order {number}: placed", flush=True)
        except OutOfStock:
            print(f"order {number}: refused, out of stock; ten more are delivered", flush=True)
            shop.stock.update_one({"_id": "apple"}, {"$inc": {"pieces": 10}})
        if orders is None:
            threading.Event().wait(1.0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)

"""A shop's messages, and the topic that a replay is to fill: `put`, then the commands of the README, then `read`."""

import os
import sys

from confluent_kafka import Consumer
from mongoengine import EmbeddedDocument, IntField, StringField
from pymongo import MongoClient

from outbox import Outbox, message


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    pieces = IntField(required=True)


@message("order.cancelled", key="order_id")
class OrderCancelled(EmbeddedDocument):
    order_id = StringField(required=True)


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
service = client.get_default_database("shop")


def put() -> None:
    with Outbox(service, messages=[OrderPlaced, OrderCancelled]) as outbox:
        outbox.create()
        for number in (1, 2, 3):
            outbox.put(OrderPlaced(order_id=str(number), pieces=10 * number), standalone=True)
        outbox.put(OrderCancelled(order_id="2"), standalone=True)


def read(topic: str, count: int) -> None:
    """Prints the first records of a topic."""
    settings = {"bootstrap.servers": os.environ["KAFKA"], "group.id": service.name, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([f"{service.name}.{topic}"])
    while count:
        record = consumer.poll(1.0)
        if record is not None and not record.error():
            pairs = record.headers()
            assert isinstance(pairs, list)
            headers = {name: value.decode() for name, value in pairs if isinstance(value, bytes)}
            print(f"{topic}: seq {headers['seq']}, {headers['type']}, replayed: {headers.get('replayed', 'no')}")
            count -= 1
    consumer.close()


if __name__ == "__main__":
    if sys.argv[1] == "put":
        put()
    else:
        read("outbox", 4)
        read("again", 3)

"""A Kafka consumer whose effects happen once, though records may come twice. There are two rules, and each is enough:

- by id: an Inbox remembers what was handled, in the transaction of the effect. Works for every effect.
- by seq: remember the last seq of each log, topic and key, and pass over a record at or below it. One number a key, not
  one a message; for effects that set the newest state, as a view of orders does.

To see duplicates, this example relays every message twice, by two relays with a cursor of their own each.
"""

import json
import os
import threading

from confluent_kafka import Consumer, Message
from mongoengine import EmbeddedDocument, IntField, StringField
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from outbox import Inbox, Outbox, message
from relay import KafkaSink, NewTopics, Relay


@message("order.paid", key="order_id")
class OrderPaid(EmbeddedDocument):
    order_id = StringField(required=True)
    cents = IntField(required=True)


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
shop = client.get_default_database("shop")
outbox = Outbox(shop, messages=[OrderPaid])
inbox = Inbox(shop)


def add_to_revenue(id: str, cents: int) -> str:
    """By id: adding twice would be wrong, and the sum does not tell what it was made of."""

    def effect(session: ClientSession) -> str:
        if not inbox.once(id, "revenue", session=session):
            return "a duplicate, not added"
        shop.revenue.update_one({"_id": "total"}, {"$inc": {"cents": cents}}, upsert=True, session=session)
        return f"{cents} cents added"

    with client.start_session() as session:
        return session.with_transaction(effect)


def show_order(order_id: str, log: str, topic: str, seq: int, cents: int) -> str:
    """By seq: only a later record of its log, topic and key may change the view."""
    older = {"_id": {"log": log, "topic": topic, "key": order_id}, "seq": {"$lt": seq}}
    try:
        with client.start_session() as session, session.start_transaction():
            shop.positions.update_one(older, {"$set": {"seq": seq}}, upsert=True, session=session)
            shop.orders_view.update_one({"_id": order_id}, {"$set": {"cents": cents}}, upsert=True, session=session)
    except DuplicateKeyError:  # this seq or a later one is there, so that the upsert met the _id
        return "not newer, view unchanged"
    return "view updated"


def handle(record: Message) -> None:
    headers = dict(record.headers() or [])
    id, seq, log = text(headers["id"]), int(text(headers["seq"])), text(headers["log"])
    order_id, cents = text(record.key()), json.loads(text(record.value()))["cents"]
    shown = show_order(order_id, log, record.topic() or "", seq, cents)
    print(f"seq {seq}, order {order_id}: {add_to_revenue(id, cents)}; {shown}")


def text(value: object) -> str:
    """Every key, header and JSON value of a relay's records is UTF-8."""
    assert isinstance(value, bytes)
    return value.decode()


def main() -> None:
    outbox.create()
    inbox.create()
    outbox.put(
        [OrderPaid(order_id="1", cents=990), OrderPaid(order_id="2", cents=500), OrderPaid(order_id="1", cents=10)],
        standalone=True,
    )
    for name in ("first", "second"):
        sink = KafkaSink(os.environ["KAFKA"], create=NewTopics(partitions=1, replication=1))
        Relay(outbox, sink, name=name).run(threading.Event(), once=True)

    settings = {"bootstrap.servers": os.environ["KAFKA"], "group.id": shop.name, "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.subscribe([f"{shop.name}.{outbox.name}"])
    handled = 0
    while handled < 6:
        record = consumer.poll(1.0)
        if record is not None and not record.error():
            handle(record)
            consumer.commit(message=record, asynchronous=False)  # after the effect, lest a crash lose the record
            handled += 1
    consumer.close()
    print("revenue:", (shop.revenue.find_one() or {})["cents"], "cents")


if __name__ == "__main__":
    main()

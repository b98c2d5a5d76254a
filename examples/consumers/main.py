"""Two services in one process: billing handles orders and puts a message into shipping's outbox in the same
transaction, so that each order is shipped exactly once. One customer is unknown: those orders are kept, and requeued.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

from mongoengine import Decimal128Field, EmbeddedDocument, StringField
from pymongo import MongoClient
from pymongo.client_session import ClientSession

from outbox import Outbox, Record, Reject, message
from outbox.events import Event, Failed, Parked


@message("order.placed", key="customer")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    customer = StringField(required=True)
    total = Decimal128Field(required=True, min_value=0)


@message("ship", key="customer")
class Ship(EmbeddedDocument):
    order_id = StringField(required=True)
    customer = StringField(required=True)


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
shop = client.get_default_database("shop")
orders = Outbox(shop, "orders", messages=[OrderPlaced])
shipping = Outbox(shop, "shipping", messages=[Ship])


def bill(record: Record[OrderPlaced], session: ClientSession) -> None:
    """Its writes, the message to shipping and the consumer's position are committed together, or none of them."""
    order = record.message
    assert order is not None  # None only for a type that this Outbox was not given
    if shop.customers.find_one({"_id": order.customer}, session=session) is None:
        raise Reject(f"no customer {order.customer!r}")
    shop.invoices.insert_one({"_id": order.order_id, "total": str(order.total)}, session=session)
    shipping.put(Ship(order_id=order.order_id, customer=order.customer), session=session)


def tell(event: Event) -> None:
    if isinstance(event, (Failed, Parked)) and event.record.message is not None:
        print(f"{type(event).__name__.lower()}: {event.record.message.order_id}")


def requeue() -> None:
    """What an operator types, in this folder: outbox dead main:orders requeue --all --reader consumer:billing."""
    command = ["-m", "outbox", "dead", "main:orders", "requeue", "--all", "--reader", "consumer:billing"]
    subprocess.run([sys.executable, *command], cwd=Path(__file__).parent, check=True, capture_output=True)


def shipped() -> str:
    shipping.sequence()
    return ", ".join(record.message.order_id for record in shipping.read() if record.message is not None)


def main() -> None:
    orders.create()
    shipping.create()
    shop.customers.insert_one({"_id": "ada"})
    placed = [("1", "ada", "120.00"), ("2", "eve", "80.00"), ("3", "ada", "15.50"), ("4", "eve", "31.00")]
    ids = orders.put(
        [OrderPlaced(order_id=id, customer=who, total=total) for id, who, total in placed], standalone=True
    )

    billing = orders.consumer("billing", types=[OrderPlaced], on_event=tell)
    working = threading.Thread(target=billing.run_in_transaction, args=(bill,))
    working.start()
    billing.wait_caught_up(60)
    print(f"shipped: {shipped()}")

    shop.customers.insert_one({"_id": "eve"})
    requeue()
    orders.wait_for(ids[3], reader="consumer:billing", timeout=60)
    print(f"shipped: {shipped()}")
    billing.stop()
    working.join()
    print(f"billing stands at {billing.position()}")
    orders.close()
    shipping.close()


if __name__ == "__main__":
    main()

"""Records as a stream: of one type, by key on several threads, in batches, and told when the backlog is through."""

import os
import threading
from collections import defaultdict
from decimal import Decimal

from mongoengine import Decimal128Field, EmbeddedDocument, StringField
from pymongo import MongoClient

from outbox import Outbox, Record, message
from outbox.events import CaughtUp, Event, Fetched, Stopped
from outbox.operators import batch, by_key, caught_up, of_type


@message("order.placed", key="customer")
class OrderPlaced(EmbeddedDocument):
    customer = StringField(required=True)
    total = Decimal128Field(required=True, min_value=0)


@message("customer.moved", key="customer")
class CustomerMoved(EmbeddedDocument):
    customer = StringField(required=True)


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
outbox = Outbox(client.get_default_database("shop"), messages=[OrderPlaced, CustomerMoved])
spent: dict[str, Decimal] = defaultdict(Decimal)
through = threading.Event()


def add(record: Record[OrderPlaced]) -> None:
    """Runs on up to four threads, but for one customer on one at a time: nothing here is locked."""
    order = record.message
    assert order is not None  # None only for a type that this Outbox was not given
    spent[order.customer] += order.total


def show(item: list[Record[OrderPlaced]] | CaughtUp) -> None:
    if isinstance(item, CaughtUp):  # all before it is added
        for customer, total in sorted(spent.items()):
            print(f"{customer} has spent {total}")
        print(f"caught up with the log at {item.head}")
        through.set()


def tell(event: Event) -> None:
    if isinstance(event, (Fetched, Stopped)):
        print(event)


def main() -> None:
    outbox.create()
    placed = [("ada", "120.00"), ("bob", "80.00"), ("ada", "15.50"), ("bob", "200.00"), ("ada", "31.00")]
    outbox.put([OrderPlaced(customer=name, total=Decimal(total)) for name, total in placed], standalone=True)
    outbox.put(CustomerMoved(customer="bob"), standalone=True)
    outbox.sequence()

    # What `where` refuses is read all the same, and passed over.
    records = outbox.observe("earliest", where=lambda record: record.key != "eve", on_event=tell)
    orders = records.pipe(of_type(OrderPlaced), by_key(4, add), batch(100, 0.5), caught_up())
    with orders.subscribe(show, on_error=print):
        through.wait(60)
    outbox.close()  # waits for the subscription, which tells that it has stopped


if __name__ == "__main__":
    main()

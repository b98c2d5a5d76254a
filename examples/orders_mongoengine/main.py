"""An order service with mongoengine: documents are saved beside `put`, in the transaction of a bound session.

mongoengine has no sessions of its own. `session.bind()` makes pymongo give the session to every call inside the block,
mongoengine's included, and `put` finds it there, too.
"""

import os
from decimal import Decimal

from mongoengine import Decimal128Field, Document, EmbeddedDocument, StringField, connect
from mongoengine.connection import get_db

from outbox import Outbox, message


class Order(Document):
    order_id = StringField(primary_key=True)
    total = Decimal128Field(required=True)
    meta = {"collection": "orders"}


class Customer(Document):
    email = StringField(primary_key=True)
    last_order = StringField()
    meta = {"collection": "customers"}


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    total = Decimal128Field(required=True, min_value=0)


client = connect(host=os.environ["MONGO_URI"], uuidRepresentation="standard")
outbox = Outbox(get_db(), messages=[OrderPlaced])


def place_order(order_id: str, email: str, total: Decimal, *, paid: bool) -> None:
    with client.start_session() as session, session.bind(), session.start_transaction():
        Order(order_id=order_id, total=total).save()
        Customer(email=email, last_order=order_id).save()
        outbox.put(OrderPlaced(order_id=order_id, total=total))
        if not paid:
            raise ValueError(f"order {order_id} was not paid")


def main() -> None:
    outbox.create()
    for document in (Order, Customer):
        document.ensure_indexes()  # MongoDB makes no index in a transaction

    place_order("1", "ada@example.org", Decimal("9.90"), paid=True)
    try:
        place_order("2", "bob@example.org", Decimal("19.90"), paid=False)
    except ValueError as error:
        print(f"rolled back: {error}")
    place_order("3", "ada@example.org", Decimal("5.00"), paid=True)

    print("orders:", ", ".join(order.order_id for order in Order.objects.order_by("order_id")))
    print("customers:", ", ".join(customer.email for customer in Customer.objects))
    outbox.sequence()  # one sweep by hand: usually the relay, or a process that observes, sequences
    for record in outbox.read():
        print(f"message {record.seq}: {record.type}, key {record.key}, data {record.data}")


if __name__ == "__main__":
    main()

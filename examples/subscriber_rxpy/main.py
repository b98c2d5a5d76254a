"""A subscriber in the service's own process: the log as an RxPY Observable, taken apart with operators.

Each subscription pulls from the log at its own pace, so a slow operator holds up nobody and nothing piles up in memory.
"""

import os
from decimal import Decimal

from mongoengine import Decimal128Field, EmbeddedDocument, StringField
from pymongo import MongoClient
from reactivex import GroupedObservable, Observable
from reactivex import operators as ops

from outbox import Outbox, Record, message


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    customer = StringField(required=True)
    total = Decimal128Field(required=True, min_value=0)


@message("order.cancelled", key="order_id")
class OrderCancelled(EmbeddedDocument):
    order_id = StringField(required=True)


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
outbox = Outbox(client.get_default_database("shop"), messages=[OrderPlaced, OrderCancelled])


def order(record: Record[OrderPlaced]) -> OrderPlaced:
    assert record.message is not None  # None only for a type that this Outbox was not given
    return record.message


def large(order: OrderPlaced) -> bool:
    return bool(order.total >= 10)


def customer(order: OrderPlaced) -> str:
    return str(order.customer)


def pairs(orders: GroupedObservable[str, OrderPlaced]) -> Observable[str]:
    """A customer's orders two by two; what is left over comes when the source completes."""

    def line(pair: list[OrderPlaced]) -> str:
        return f"{orders.key}: " + " + ".join(str(order.total) for order in pair)

    return orders.pipe(ops.buffer_with_count(2), ops.map(line))


def main() -> None:
    outbox.create()
    placed = [("1", "ada", "120.00"), ("2", "bob", "80.00"), ("3", "ada", "15.50"), ("4", "ada", "9.00")]
    placed += [("5", "bob", "200.00"), ("6", "ada", "31.00")]
    outbox.put(
        [OrderPlaced(order_id=id, customer=customer, total=Decimal(total)) for id, customer, total in placed],
        standalone=True,
    )
    outbox.put(OrderCancelled(order_id="4"), standalone=True)

    records: Observable[Record[OrderPlaced]] = outbox.observe(start="earliest", types=[OrderPlaced])
    records.pipe(
        ops.take(6),  # so that this example ends; a service would subscribe, and keep what `subscribe` returns
        ops.map(order),
        ops.filter(large),
        ops.group_by(customer),
        ops.flat_map(pairs),
        ops.do_action(print),
    ).run()
    outbox.close()


if __name__ == "__main__":
    main()

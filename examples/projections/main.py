"""What each customer has spent, kept in MongoDB from the orders' messages; then a second version that also keeps the
largest order, made anew beside the first, and compared with the log.
"""

import os
import threading

from mongoengine import EmbeddedDocument, IntField, StringField
from pymongo import MongoClient

from outbox import Outbox, Projection, ProjectionDiffers, Record, message

State = dict[str, int]


@message("order.placed", key="customer")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    customer = StringField(required=True)
    cents = IntField(required=True, min_value=0)


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
shop = client.get_default_database("shop")
orders = Outbox(shop, "orders", messages=[OrderPlaced])


def spent(state: State, record: Record[OrderPlaced]) -> State:
    """Returns the state after this order."""
    order = record.message
    assert order is not None  # None only for a type that this Outbox was not given
    return {"orders": state.get("orders", 0) + 1, "cents": state.get("cents", 0) + order.cents}


def with_largest(state: State, record: Record[OrderPlaced]) -> State:
    """The second version."""
    assert record.message is not None
    return {**spent(state, record), "largest": max(state.get("largest", 0), record.message.cents)}


def revenue(version: int) -> Projection[State]:
    apply = spent if version == 1 else with_largest
    return orders.projection("revenue", types=[OrderPlaced], initial=dict, apply=apply, by="key", version=version)


def keep(projection: Projection[State]) -> None:
    """Runs it until it has caught up; a service leaves it running."""
    working = threading.Thread(target=projection.run)
    working.start()
    projection.wait_caught_up(60)
    projection.stop()
    working.join()


def main() -> None:
    orders.create()
    placed = [("1", "ada", 12000), ("2", "eve", 8000), ("3", "ada", 1550)]
    orders.put([OrderPlaced(order_id=id, customer=who, cents=cents) for id, who, cents in placed], standalone=True)
    keep(revenue(version=1))
    for customer, state in revenue(version=1).states():
        print(customer, state)

    keep(revenue(version=2))
    print("ada", revenue(version=2).state("ada"))

    shop["orders.states"].update_one({"_id": "revenue/eve"}, {"$set": {"state.cents": 1}})
    try:
        revenue(version=2).verify()
    except ProjectionDiffers as differs:
        print(f"{differs.key} differs at {differs.path}: {differs.expected} in the log, {differs.found} in the state")
    revenue(version=2).rebuild()
    revenue(version=2).verify()
    print("eve", revenue(version=2).state("eve"))
    orders.close()


if __name__ == "__main__":
    main()

"""An order service with pydantic: models are the messages, checked where they are made, by `put` and by the server."""

import os
from decimal import Decimal
from typing import Annotated, Any, Literal

from bson import Timestamp
from pydantic import BaseModel, Field, ValidationError, computed_field
from pymongo import MongoClient
from pymongo.errors import WriteError

from outbox import InvalidMessage, Outbox, message, message_type


class Card(BaseModel):
    kind: Literal["card"] = "card"
    last_digits: Annotated[str, Field(pattern="^[0-9]{4}$")]


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"


class Line(BaseModel):
    sku: str
    count: int = Field(ge=1)
    price: Decimal = Field(ge=0)
    gift: bool = False


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    order_id: str
    lines: list[Line]
    paid: Annotated[Card | Cash, Field(discriminator="kind")]
    tags: set[str] = set()

    @computed_field  # stored, for readers in other languages
    def total(self) -> Decimal:
        return sum((line.count * line.price for line in self.lines), Decimal(0))


OrderShipped = message_type(
    "order.shipped",
    key="order_id",
    schema={
        "required": ["order_id"],
        "properties": {"order_id": {"bsonType": "string"}, "parcels": {"bsonType": "int", "minimum": 1}},
        "additionalProperties": False,
    },
)

client: MongoClient[dict[str, Any]] = MongoClient(os.environ["MONGO_URI"])
database = client.get_default_database()
outbox = Outbox(database, messages=[OrderPlaced, OrderShipped])


def place_order(order: OrderPlaced) -> None:
    with client.start_session() as session, session.start_transaction():
        database.orders.insert_one({"_id": order.order_id, "paid": order.paid.kind}, session=session)
        outbox.put([order, OrderShipped({"order_id": order.order_id, "parcels": 1})], session=session)


def main() -> None:
    outbox.create()
    database.create_collection("orders")
    lines = [Line(sku="tea", count=2, price=Decimal("4.50"))]
    place_order(OrderPlaced(order_id="1", lines=lines, paid=Card(last_digits="1234"), tags={"new", "gift"}))

    try:
        Line.model_validate({"sku": "tea", "count": 1, "price": "4.50", "gift": "false"})
    except ValidationError as error:
        print("refused where it is made:", error.errors()[0]["msg"])
    lines[0].count = 0
    try:
        place_order(OrderPlaced(order_id="2", lines=lines, paid=Cash()))
    except InvalidMessage as error:
        print("refused by put:", error)
    staged = {"at": Timestamp(0, 0), "type": "order.placed", "key": "3", "headers": {}, "data": {"order_id": "3"}}
    try:
        database["outbox.staging"].insert_one(staged)
    except WriteError as error:
        print("refused by the server:", error.code)

    outbox.sequence()  # one sweep by hand: usually the relay, or a process that observes, sequences
    for record in outbox.read():
        match record.message:
            case OrderPlaced(order_id=order_id, paid=paid, total=total, tags=tags):
                print(f"{record.seq}: order {order_id}, {total} by {paid.kind}, {', '.join(sorted(tags))}")
            case shipped:
                print(f"{record.seq}: {record.type} {shipped}")


if __name__ == "__main__":
    main()

"""A shop on Beanie: an order is a document, and its message is committed in the same transaction, or neither is."""

import asyncio
import os
from typing import Any

from beanie import Document, PydanticObjectId, init_beanie
from pydantic import BaseModel
from pymongo import AsyncMongoClient

from outbox import AsyncOutbox, Record, message


class Order(Document):
    customer: str
    total: int
    billed: bool = False


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    """What others are told, and count on; the document may change as the shop likes."""

    order_id: PydanticObjectId
    total: int


async def place(client: AsyncMongoClient[dict[str, Any]], orders: AsyncOutbox, customer: str, total: int) -> None:
    async with client.start_session() as session, await session.start_transaction():
        order = await Order(customer=customer, total=total).insert(session=session)
        assert order.id is not None  # Beanie gives it at the insert
        await orders.put(OrderPlaced(order_id=order.id, total=total), session=session)
        if total > 1000:
            raise ValueError("too much for one order")


async def bill(record: Record[OrderPlaced]) -> None:
    """May come twice to a message: then it sets what is set."""
    assert record.message is not None
    order = await Order.get(record.message.order_id)
    assert order is not None  # committed with the message
    await order.set({"billed": True})


async def main() -> None:
    async with AsyncMongoClient[dict[str, Any]](os.environ["MONGO_URI"]) as client:
        shop = client.get_default_database("shop")
        await init_beanie(database=shop, document_models=[Order])
        async with AsyncOutbox(shop, messages=[OrderPlaced]) as orders:
            await orders.create()
            for customer, total in (("ada", 120), ("eve", 4000), ("joe", 15)):
                try:
                    await place(client, orders, customer, total)
                    print(f"{customer}: placed")
                except ValueError as error:
                    print(f"{customer}: {error}")
            billing = orders.consumer("billing", types=[OrderPlaced])
            working = asyncio.create_task(billing.run(bill))
            await billing.wait_caught_up(60)
            billing.stop()
            await working
        async for order in Order.find(Order.billed == True).sort("total"):  # noqa: E712  # Beanie's way to ask
            print(f"billed: {order.customer}, {order.total}")


if __name__ == "__main__":
    asyncio.run(main())

"""A shop on asyncio: it puts in its transactions, a dashboard iterates over what comes, and billing makes invoices."""

import asyncio
import os
from typing import Any

from mongoengine import Decimal128Field, EmbeddedDocument, StringField
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from outbox import AsyncOutbox, Record, message


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    total = Decimal128Field(required=True, min_value=0)


async def place(shop: AsyncDatabase[dict[str, Any]], orders: AsyncOutbox, order_id: str, total: str) -> None:
    """The order and its message are committed together, or none of them."""
    async with shop.client.start_session() as session, await session.start_transaction():
        await shop.orders.insert_one({"_id": order_id, "total": total}, session=session)
        await orders.put(OrderPlaced(order_id=order_id, total=total), session=session)


async def watch(orders: AsyncOutbox, count: int) -> None:
    """As a web socket would: each of thousands may have an iterator of its own."""
    async with orders.observe("earliest", types=[OrderPlaced]) as records:
        async for record in records:
            assert record.message is not None  # None only for a type that this AsyncOutbox was not given
            print(f"dashboard: order {record.message.order_id} of {record.message.total}")
            if record.seq == count:
                return


async def bill_all(shop: AsyncDatabase[dict[str, Any]], orders: AsyncOutbox, count: int) -> None:
    async def bill(record: Record[OrderPlaced], session: AsyncClientSession) -> None:
        """Its writes and the consumer's position are committed together, or none of them."""
        assert record.message is not None
        invoice = {"_id": record.message.order_id, "total": str(record.message.total)}
        await shop.invoices.insert_one(invoice, session=session)

    billing = orders.consumer("billing", types=[OrderPlaced])
    working = asyncio.create_task(billing.run_in_transaction(bill))
    await billing.wait_caught_up(60)
    billing.stop()
    await working
    print(
        f"billing stands at {await billing.position()}, {await shop.invoices.count_documents({})} of {count} invoices"
    )


async def main() -> None:
    placed = [("1", "120.00"), ("2", "80.00"), ("3", "15.50")]
    async with AsyncMongoClient[dict[str, Any]](os.environ["MONGO_URI"]) as client:
        shop = client.get_default_database("shop")
        async with AsyncOutbox(shop, messages=[OrderPlaced]) as orders:
            await orders.create()
            watching = asyncio.create_task(watch(orders, len(placed)))
            for order_id, total in placed:
                await place(shop, orders, order_id, total)
            await watching
            await bill_all(shop, orders, len(placed))


if __name__ == "__main__":
    asyncio.run(main())

"""A shop on FastAPI: orders and their messages are committed together, a page hears of them, billing handles them."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import httpx2
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from outbox import AsyncOutbox, Record, message
from outbox.contrib.fastapi import lifespan, transaction


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    order_id: str
    total: int


client = AsyncMongoClient[dict[str, Any]](os.environ["MONGO_URI"])
shop = client.get_default_database("shop")
orders = AsyncOutbox(shop, messages=[OrderPlaced])
billing = orders.consumer("billing", types=[OrderPlaced])


async def bill(record: Record[OrderPlaced]) -> None:
    assert record.message is not None
    await shop.bills.update_one(
        {"_id": record.message.order_id}, {"$set": {"total": record.message.total}}, upsert=True
    )


app = FastAPI(lifespan=lifespan(orders, consumers=[(billing, bill)]))


@app.post("/orders", status_code=201)
async def place(order: OrderPlaced, session: Annotated[AsyncClientSession, Depends(transaction)]) -> str:
    """Commits both, or neither; then answers."""
    await shop.orders.insert_one({"_id": order.order_id, "total": order.total}, session=session)
    message_id = await orders.put(order, session=session)
    if order.total > 1000:
        raise HTTPException(422, "too much for one order")
    return str(message_id)


@app.get("/orders/live", response_class=EventSourceResponse)
async def live(last_event_id: Annotated[int | None, Header()] = None) -> AsyncIterator[ServerSentEvent]:
    """A browser that was cut off goes on behind the last event it has."""
    start: Literal["latest"] | int = "latest" if last_event_id is None else last_event_id + 1
    async for record in orders.observe(start, types=[OrderPlaced]):
        assert record.message is not None
        yield ServerSentEvent(id=str(record.seq), event=record.type, data=record.message)


async def visit(url: str) -> None:
    """What clients would do."""
    async with httpx2.AsyncClient(base_url=url, timeout=30) as web:
        for order_id, total in (("1", 120), ("2", 4000), ("3", 15)):
            answer = await web.post("/orders", json={"order_id": order_id, "total": total})
            print(f"order {order_id}: {answer.status_code}")
        async with web.stream("GET", "/orders/live", headers={"Last-Event-ID": "0"}) as events:
            seen = 0
            async for line in events.aiter_lines():
                if line.startswith("data:"):
                    print("live:", line.removeprefix("data:").strip())
                    seen += 1
                if seen == 2:
                    break
    await billing.wait_caught_up(30)
    print("billed:", sorted([bill["_id"] async for bill in shop.bills.find()]))


async def main() -> None:
    await orders.create()  # at deployment; here, too, for the example
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=3))
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.05)
    try:
        host, port = server.servers[0].sockets[0].getsockname()
        await visit(f"http://{host}:{port}")
    finally:
        server.should_exit = True
        await serving
        await client.close()


if __name__ == "__main__":
    asyncio.run(main())

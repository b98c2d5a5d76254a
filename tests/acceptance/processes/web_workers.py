"""A service for gunicorn with several workers: each makes its client and its outbox in its lifespan, after the fork."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from outbox import AsyncOutbox, Outbox, Record
from outbox.contrib.fastapi import lifespan, transaction
from tests.actors.order_service import MESSAGES, placed

URI, DATABASE = os.environ["MONGO_URI"], os.environ["DATABASE"]


@contextlib.asynccontextmanager
async def in_each_worker(app: FastAPI) -> AsyncIterator[Any]:
    async with AsyncMongoClient[Any](URI, appname="web-workers") as client:
        orders = AsyncOutbox(client[DATABASE], messages=MESSAGES)

        async def bill(record: Record[Any]) -> None:
            await client[DATABASE].bills.insert_one({"_id": record.id, "by": os.getpid()})

        async with lifespan(orders, consumers=[(orders.consumer("billing"), bill)])(app) as state:
            yield state


app = FastAPI(lifespan=in_each_worker)


@app.post("/{number}")
async def place(request: Request, number: int, session: Annotated[AsyncClientSession, Depends(transaction)]) -> int:
    await request.app.state.outbox.put(placed(number), session=session)
    return os.getpid()


def too_early() -> FastAPI:
    """One whose outbox is made before the fork, with `--preload`."""
    return FastAPI(lifespan=lifespan(Outbox(MongoClient[Any](URI, connect=False)[DATABASE], messages=MESSAGES)))


if os.environ.get("TOO_EARLY"):
    app = too_early()

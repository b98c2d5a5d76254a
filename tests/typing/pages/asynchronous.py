"""A service on FastAPI, with an AsyncMongoClient, and pydantic's models as message classes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from outbox import AsyncConsumer, AsyncOutbox, Record, message
from outbox.contrib.fastapi import lifespan, transaction

__all__ = [
    "Annotated",
    "AsyncClientSession",
    "AsyncIterator",
    "Depends",
    "EventSourceResponse",
    "Header",
    "ServerSentEvent",
    "asynccontextmanager",
    "lifespan",
    "transaction",
]


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    order_id: str


app: FastAPI
client: AsyncMongoClient[dict[str, Any]]
orders: AsyncOutbox
billing: AsyncConsumer[OrderPlaced]


async def bill(record: Record[OrderPlaced]) -> None: ...

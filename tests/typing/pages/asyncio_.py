"""A service with an AsyncMongoClient, and pydantic's models as message classes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pymongo import AsyncMongoClient

from outbox import AsyncConsumer, AsyncOutbox, Record, message


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    order_id: str


client: AsyncMongoClient[dict[str, Any]]
orders: AsyncOutbox
billing: AsyncConsumer[OrderPlaced]


async def handle(record: Record[OrderPlaced]) -> None: ...

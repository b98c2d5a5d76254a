"""A service that sends tasks; its clients are made in each process."""

from __future__ import annotations

from typing import Any

from celery import Celery
from pydantic import BaseModel
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from outbox import Inbox, Outbox, message

__all__ = ["Celery", "PyMongoError"]


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    order_id: str
    total: int


orders: Outbox


def client() -> MongoClient[dict[str, Any]]: ...  # type: ignore[empty-body]


def inbox() -> Inbox: ...  # type: ignore[empty-body]


def invoices() -> Collection[dict[str, Any]]: ...  # type: ignore[empty-body]

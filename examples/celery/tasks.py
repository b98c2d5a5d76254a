"""The worker's side: one invoice for each order, though a task may come twice."""

import os
from functools import cache
from typing import Any

from celery import Celery, Task
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import PyMongoError

from outbox import Inbox

app = Celery("billing")
app.config_from_object("celeryconfig")


@cache
def database() -> Database[dict[str, Any]]:
    """Made by the first task of a process, for a worker forks, and a client does not survive that."""
    client: MongoClient[dict[str, Any]] = MongoClient(os.environ["MONGO_URI"])
    return client.get_default_database("shop")


@app.task(name="bill", bind=True, autoretry_for=(PyMongoError,), retry_backoff=True, max_retries=None)
def bill(self: Task, order_id: str, total: int) -> str:
    """The invoice and the task's id are committed together, or neither is."""
    shop = database()
    inbox = Inbox(shop)

    def effect(session: ClientSession) -> str:
        if not inbox.once(self.request.id, consumer="bill", session=session):
            return "had been billed"
        shop.invoices.insert_one({"order": order_id, "total": total}, session=session)
        return "billed"

    with shop.client.start_session() as session:
        return session.with_transaction(effect)

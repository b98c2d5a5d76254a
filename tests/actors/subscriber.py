"""Subscribers that keep what they see, and what the server and this process keep for them."""

from __future__ import annotations

import threading
from typing import Any

from reactivex.abc import ObserverBase

from outbox import Outbox, Record
from outbox.readers.reader import LogReader
from tests.actors.order_service import placed, totals
from tests.waiting import wait_until

Document = dict[str, Any]


class Subscriber(ObserverBase[Record[Any]]):
    """Keeps what it sees."""

    def __init__(self) -> None:
        self.records: list[Record[Any]] = []
        self.errors: list[Exception] = []
        self.completions = 0

    def on_next(self, value: Record[Any]) -> None:
        self.records.append(value)

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)

    def on_completed(self) -> None:
        self.completions += 1

    def sees(self, *expected: int) -> None:
        wait_until(lambda: totals(self.records) == list(expected), 30, f"{expected}")


def subscribed(orders: Outbox, start: Any = "latest", **options: Any) -> Subscriber:
    subscriber = Subscriber()
    orders.observe(start, **options).subscribe(subscriber)
    return subscriber


def live(orders: Outbox) -> Subscriber:
    """Subscribes to the latest, and returns when the subscriber knows where that is."""
    subscriber = subscribed(orders, "earliest")
    orders.put(placed(-0), standalone=True)
    subscriber.sees(0)
    subscriber.records.clear()
    return subscriber


def telling(waiting: threading.Event) -> Any:
    wait = LogReader.wait

    def telling(self: LogReader, *arguments: Any) -> bool:
        waiting.set()
        return wait(self, *arguments)

    return telling


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("outbox")]


def cursors(orders: Outbox) -> int:
    """Open cursors on this outbox, at work or idle, as the server counts them."""
    admin = orders.collections.client.admin
    namespaces = [orders.collections.log.full_name, orders.collections.staging.full_name]
    pipeline: list[Document] = [
        {"$currentOp": {"allUsers": True, "idleCursors": True}},
        {"$match": {"ns": {"$in": namespaces}, "cursor": {"$exists": True}}},
        {"$group": {"_id": "$cursor.cursorId"}},
    ]
    return len(list(admin.aggregate(pipeline)))


def tails(orders: Outbox) -> int:
    pipeline: list[Document] = [
        {"$currentOp": {"allUsers": True, "idleCursors": True}},
        {"$match": {"ns": orders.collections.log.full_name, "cursor.tailable": True}},
        {"$group": {"_id": "$cursor.cursorId"}},
    ]
    return len(list(orders.collections.client.admin.aggregate(pipeline)))


def kill_cursors(orders: Outbox, collection: str) -> None:
    pipeline: list[Document] = [
        {"$currentOp": {"allUsers": True, "idleCursors": True}},
        {"$match": {"ns": f"{orders.collections.database.name}.{collection}", "cursor": {"$exists": True}}},
    ]
    ids = [cursor["cursor"]["cursorId"] for cursor in orders.collections.client.admin.aggregate(pipeline)]
    orders.collections.database.command("killCursors", collection, cursors=ids)


def roll(orders: Outbox, messages: int = 14) -> None:
    """Rolls over what was there, in a log of 8 MiB, with messages of 0.9 MB, each a batch of its own."""
    for n in range(messages):
        orders.put(placed(1000 + n, note="x" * 900_000), standalone=True)
        orders.sequence()

"""Consumers that run as long as the application, and how both end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.database import Database

from outbox import AsyncOutbox, Outbox, Record
from tests.actors.order_service import placed
from tests.actors.web_service import serving
from tests.waiting import wait_until

Document = dict[str, Any]
Jobs = Callable[[AsyncOutbox], list[Any]]


def test_consumers_handle_as_long_as_the_application_runs(
    service: Callable[[Jobs], FastAPI], created: Outbox, database: Database[Document]
) -> None:
    handled: list[int] = []

    def jobs(orders: AsyncOutbox) -> list[Any]:
        async def bill(record: Record[Any]) -> None:
            handled.append(record.message.total)

        async def book(record: Record[Any], session: AsyncClientSession) -> None:
            await orders.client[database.name].books.insert_one({"_id": record.seq}, session=session)

        billing, books = orders.consumer("billing"), orders.consumer("books")
        return [(billing, bill), lambda: books.run_in_transaction(book)]

    with serving(service(jobs)):
        created.put([placed(1), placed(2)], standalone=True)
        wait_until(lambda: handled == [1, 2] and database.books.count_documents({}) == 2, 30, "all to be handled")
    assert [each.holder for each in created.readers()] == [None, None]


def test_a_handler_that_runs_at_the_end_may_still_put_and_is_waited_for(
    service: Callable[[Jobs], FastAPI], created: Outbox
) -> None:
    began = threading.Event()

    def jobs(orders: AsyncOutbox) -> list[Any]:
        async def bill(record: Record[Any]) -> None:
            if record.message.total == 1:
                began.set()
                await asyncio.sleep(0.5)  # its work, which is longer than it takes to begin the shutdown
                await orders.put(placed(2), standalone=True)

        return [(orders.consumer("billing"), bill)]

    with serving(service(jobs)):
        created.put(placed(1), standalone=True)
        assert began.wait(30)
    created.sequence()
    assert [record.message.total for record in created.read()] == [1, 2]
    assert created.consumer("billing").position() in (1, 2)


def test_a_handler_that_does_not_end_is_cancelled_and_its_message_comes_again(
    service: Callable[[Jobs], FastAPI], created: Outbox
) -> None:
    began, cancelled = threading.Event(), threading.Event()

    def jobs(orders: AsyncOutbox) -> list[Any]:
        async def bill(record: Record[Any]) -> None:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        return [(orders.consumer("billing"), bill)]

    with serving(service(jobs)):
        created.put(placed(1), standalone=True)
        assert began.wait(30)
    assert cancelled.is_set()
    assert created.consumer("billing").position() in (None, 0)

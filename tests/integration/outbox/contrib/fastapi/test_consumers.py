"""What may be a consumer of an application, where it runs, and what is said when it ends too soon."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from pymongo import MongoClient
from pymongo.database import Database

from outbox import AsyncOutbox, Outbox
from outbox.contrib.fastapi import lifespan
from outbox.errors import InvalidArgument
from tests.actors.order_service import MESSAGES, placed
from tests.actors.web_service import serving
from tests.waiting import wait_until

Document = dict[str, Any]
Jobs = Callable[[AsyncOutbox], list[Any]]


def test_a_consumer_that_fails_is_logged_at_once_and_the_application_goes_on(
    service: Callable[[Jobs], FastAPI], caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ValueError("no such bank")

    async def ends() -> None: ...

    with serving(service(lambda orders: [fail, ends, lambda: 7])) as client:
        wait_until(lambda: len(said(caplog)) == 3, 30, "it to be logged")
        assert client.get("/").status_code == 404
    text = "\n".join(said(caplog))
    assert "failed, and does not run any more" in text
    assert "no such bank" in caplog.text
    assert "ended, and does not run any more" in text
    assert "give an async function" in caplog.text


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == "outbox" and each.levelno >= logging.WARNING]


def test_consumers_of_an_outbox_run_on_threads(mongo_uri: str, database: Database[Document], created: Outbox) -> None:
    handled: list[int] = []
    with MongoClient[Document](mongo_uri) as client:
        orders = Outbox(client[database.name], messages=MESSAGES)
        billing = orders.consumer("billing")
        app = FastAPI(lifespan=lifespan(orders, consumers=[(billing, lambda record: handled.append(record.seq))]))
        with serving(app):
            created.put(placed(1), standalone=True)
            wait_until(lambda: handled == [1], 30, "it to be handled")
    assert created.consumer("billing").position() == 1


def test_what_cannot_be_run_is_refused_where_it_is_given(database: Database[Document]) -> None:
    with Outbox(database, messages=MESSAGES) as orders:
        billing = orders.consumer("billing")

        async def run() -> None: ...

        for wrong in (billing, (billing,), 7, run(), lambda record: None):
            with pytest.raises(InvalidArgument, match=r"consumers\[0\]"):
                lifespan(orders, consumers=[wrong])  # type: ignore[list-item]  # that is what the test is about
        with pytest.raises(InvalidArgument, match="give an AsyncOutbox or an Outbox"):
            lifespan(database)  # type: ignore[arg-type]  # as above

"""An order service on FastAPI, with consumers that the test makes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from pymongo import AsyncMongoClient
from pymongo.database import Database

from outbox import AsyncOutbox, Outbox
from outbox.contrib.fastapi import lifespan
from tests.actors.order_service import MESSAGES, new_outbox

Document = dict[str, Any]
Jobs = Callable[[AsyncOutbox], list[Any]]


@pytest.fixture(autouse=True)
def created(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, sequence=False) as orders:
        yield orders


@pytest.fixture
def service(mongo_uri: str, database: Database[Document]) -> Callable[[Jobs], FastAPI]:
    def make(jobs: Jobs) -> FastAPI:
        @contextlib.asynccontextmanager
        async def own(app: FastAPI) -> AsyncIterator[Any]:
            async with AsyncMongoClient[Document](mongo_uri) as client:
                orders = AsyncOutbox(client[database.name], messages=MESSAGES)
                async with lifespan(orders, consumers=jobs(orders))(app) as state:
                    yield state

        return FastAPI(lifespan=own)

    return make

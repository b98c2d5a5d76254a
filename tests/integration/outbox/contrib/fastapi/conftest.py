"""An order service on FastAPI, with consumers that the test makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from pymongo.database import Database

from outbox import AsyncOutbox, Outbox
from tests.actors.order_service import new_outbox
from tests.actors.web_service import application

Document = dict[str, Any]
Jobs = Callable[[AsyncOutbox], list[Any]]


@pytest.fixture(autouse=True)
def created(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, sequence=False) as orders:
        yield orders


@pytest.fixture
def service(mongo_uri: str, database: Database[Document]) -> Callable[[Jobs], FastAPI]:
    return lambda jobs: application(mongo_uri, database, jobs)

"""What the tests of the sinks, and of exactly once, work with."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from relay.testing import MemoryTransactions
from tests.actors.price_service import new_prices
from tests.servers.kafka import create_cursor_topic

Document = dict[str, Any]


@pytest.fixture
def prices(database: Database[Document]) -> Iterator[Outbox]:
    with new_prices(database, capacity="8 MiB") as outbox:
        yield outbox


@pytest.fixture
def sink() -> MemoryTransactions:
    return MemoryTransactions()


@pytest.fixture
def cursors(kafka: str) -> str:
    """A topic for cursors of the test's own."""
    name = f"test.{uuid.uuid4().hex}.cursors"
    create_cursor_topic(kafka, name)
    return name

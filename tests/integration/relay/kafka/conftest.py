"""What the tests of exactly once work with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from relay.testing import MemoryTransactions
from tests.actors.price_service import new_prices

Document = dict[str, Any]


@pytest.fixture
def prices(database: Database[Document]) -> Iterator[Outbox]:
    with new_prices(database, capacity="8 MiB") as outbox:
        yield outbox


@pytest.fixture
def sink() -> MemoryTransactions:
    return MemoryTransactions()

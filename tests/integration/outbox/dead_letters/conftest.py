"""What the tests of dead letters work with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from relay.testing import MemorySink
from tests.actors.price_service import new_prices


@pytest.fixture
def prices(database: Database[dict[str, Any]]) -> Iterator[Outbox]:
    with new_prices(database, capacity="16 MiB") as outbox:
        yield outbox


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()

"""What the tests of the sequencer work with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from outbox import Outbox
from tests.actors.order_service import new_outbox

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database) as outbox:
        yield outbox


@pytest.fixture
def raw_staging(orders: Outbox) -> Collection[Document]:
    """Staging as a service in another language has it."""
    return orders.collections.staging

"""What the tests of the command `relay` work with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from tests.actors.order_service import new_outbox


@pytest.fixture
def orders(database: Database[dict[str, Any]]) -> Iterator[Outbox]:
    """An outbox that only a relay sequences."""
    with new_outbox(database, sequence=False) as outbox:
        yield outbox

"""An outbox and another one, into which its messages go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from tests.actors.transferring import another


@pytest.fixture
def copy(database: Database[Any]) -> Iterator[Outbox]:
    with another(database) as copy:
        yield copy

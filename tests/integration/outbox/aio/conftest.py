"""Every asynchronous test runs under both kinds of event loop."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from tests.actors.asynchronous import LOOPS, Loops


@pytest.fixture(params=LOOPS)
def loops(request: pytest.FixtureRequest, mongo_uri: str, database: Database[dict[str, Any]]) -> Loops:
    return Loops(request.param, mongo_uri, database.name)

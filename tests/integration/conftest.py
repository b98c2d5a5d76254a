"""What several integration tests are given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import Outbox
from outbox.delivery import durable_reader as runner
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.order_service import new_outbox
from tests.actors.relay_command import RelayCommand
from tests.servers.mongod import can_grow_caps


@pytest.fixture
def relay(
    mongo_uri: str, kafka: str, topic: str, database: Database[dict[str, Any]], tmp_path: Path
) -> Iterator[RelayCommand]:
    """The command `relay`, told of the test's own servers, database and topic."""
    with RelayCommand(tmp_path, mongo=mongo_uri, database=database.name, kafka=kafka, topic=topic) as relay:
        yield relay


@pytest.fixture
def growing_caps(mongo: MongoClient[dict[str, Any]]) -> None:
    """Skips where the server cannot change the size of a capped collection."""
    if not can_grow_caps(mongo):
        pytest.skip(f"the server is {mongo.server_info()['version']}; 6.0 is the first that can grow a cap")


@pytest.fixture
def orders(database: Database[dict[str, Any]]) -> Iterator[Outbox]:
    """An outbox that nobody sequences but a relay and the test."""
    with new_outbox(database, capacity="16 MiB", sequence=False) as outbox:
        yield outbox


@pytest.fixture(params=[MemorySink, MemoryTransactions])
def sink(request: pytest.FixtureRequest) -> MemorySink:
    """One that delivers at least once, and one that delivers exactly once."""
    return request.param()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay that stands by looks again soon."""
    monkeypatch.setattr(runner, "STANDBY_SECONDS", 0.05)

"""One gateway for the tests of a file; each has consumers of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from outbox import Outbox
from outbox.gateway.delivery import components
from outbox.threads import workers
from tests.actors.gateway import Served, gateway
from tests.actors.order_service import new_outbox


@pytest.fixture(scope="module", autouse=True)
def soon_left() -> Iterator[None]:
    """A consumer is not kept for a next connection, nor a thread for a next call: they are to end with the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_IDLE_SECONDS", 0.05)
        patch.setattr(components, "LINGER_SECONDS", 0.05)
        yield


@pytest.fixture(scope="module")
def orders(mongo: MongoClient[dict[str, Any]]) -> Iterator[Outbox]:
    name = f"gateway_{uuid.uuid4().hex[:12]}"
    with new_outbox(mongo[name], capacity="16 MiB") as orders:
        yield orders
    mongo.drop_database(name)


@pytest.fixture(scope="module")
def served(orders: Outbox) -> Iterator[Served]:
    with gateway(orders) as served:
        served.client.get("/v1/live/records")  # so that its thread is there before those of a test
        yield served


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second is refused soon; who comes first has time to begin, on a busy machine."""
    monkeypatch.setattr(components, "TAKE_SECONDS", 1.0)


@pytest.fixture
def name() -> str:
    """A consumer's, that no other test has."""
    return f"c{uuid.uuid4().hex[:8]}"

"""One gateway for the tests of a file, and what reaches the outbox through it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from outbox.remoting import consumer, outbox
from outbox.remoting.outbox import RemoteOutbox
from tests.actors.gateway import Served
from tests.actors.order_service import MESSAGES
from tests.integration.outbox.gateway.conftest import name, orders, served, soon_left

__all__ = ["name", "orders", "served", "soon_left"]  # found by pytest by their names


@pytest.fixture(autouse=True)
def short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stopped ends soon."""
    monkeypatch.setattr(consumer, "WAIT_SECONDS", 0.3)
    monkeypatch.setattr(outbox, "WAIT_SECONDS", 0.3)


@pytest.fixture
def remote(served: Served) -> Iterator[RemoteOutbox]:
    with RemoteOutbox(str(served.client.base_url), messages=MESSAGES) as remote:
        yield remote

"""The lock of create() waits for another holder, and gives up after a while."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymongo.database import Database

from outbox import IncompatibleOutbox, Outbox
from outbox.mongo.lease import Lease
from outbox.staging import schema_lock
from outbox.staging.schema_lock import lock_schema

Document = dict[str, Any]


def schema_lease(database: Database[Document], owner: str) -> Lease:
    return Lease(Outbox(database).collections.leases, "schema", owner=owner)


def test_it_waits_until_the_other_gives_the_lease_back(database: Database[Document]) -> None:
    first, second = schema_lease(database, "first"), schema_lease(database, "second")

    def lock() -> bool:
        with lock_schema(second):
            return bool(second.fence)

    with ThreadPoolExecutor(1) as pool:
        with lock_schema(first):
            waiting = pool.submit(lock)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        assert waiting.result(20)

    assert not second.fence


def test_it_gives_up_and_says_why(database: Database[Document], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_lock, "PATIENCE_SECONDS", 0.2)
    with (
        lock_schema(schema_lease(database, "first")),
        pytest.raises(IncompatibleOutbox, match=r"another create\(\) holds the schema lease"),
        lock_schema(schema_lease(database, "second")),
    ):
        pass

"""What the doctor finds on the server."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import Outbox
from outbox.doctor import server
from outbox.doctor.finding import examined
from outbox.doctor.server import ServerExamination
from tests.actors.order_service import new_outbox

Document = dict[str, Any]


def checks_that_found(outbox: Outbox) -> dict[str, bool]:
    return {each.check: each.serious for each in examined(ServerExamination(outbox.collections).checks())}


def test_a_single_node_is_a_note(orders: Outbox) -> None:
    found = checks_that_found(orders)

    assert found["topology"] is False
    assert not any(found.values())


@pytest.mark.parametrize(("w", "is_serious"), [(1, False), (0, True)])
def test_a_write_concern_below_a_majority_is_found(
    mongo_uri: str, database: Database[Document], w: int, is_serious: bool
) -> None:
    with (
        MongoClient[Document](mongo_uri, w=w) as client,
        new_outbox(client[database.name], sequence=False) as orders,
    ):
        assert checks_that_found(orders)["write concern"] is is_serious


def test_an_oplog_that_is_full_and_short_is_found(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "oplog" not in checks_that_found(orders)  # it is young: the server has just been started

    monkeypatch.setattr(server, "FULL_SHARE", 0.0)

    assert checks_that_found(orders)["oplog"] is False


def test_clocks_that_are_apart_are_found(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    now = server.time.time
    monkeypatch.setattr(server.time, "time", lambda: now() + 90)

    assert checks_that_found(orders)["clock"] is False

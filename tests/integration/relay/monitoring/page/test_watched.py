"""What is seen of an outbox, with many readers."""

from __future__ import annotations

import time

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from outbox import Outbox
from relay.monitoring.page import watched
from relay.monitoring.page.watched import WatchedOutbox
from tests.actors.relay_thread import given_cursor
from tests.integration.relay.monitoring.page.conftest import Letters, numbered


def test_each_reader_is_seen_with_its_shares_lag_headroom_and_letters(orders: Outbox, put_aside: Letters) -> None:
    numbered(orders, 3)
    given_cursor(orders, 1)
    put_aside(2)
    outbox = WatchedOutbox(orders.collections, [])

    outbox.look(time.time(), whole=True)

    seen = outbox.told()["seen"]
    [reader] = seen["readers"]
    assert (reader["id"], reader["position"], reader["lag"], reader["dead_letters"]) == ("relay:kafka", 1, 2, 2)
    assert [share["share"] for share in reader["of_shares"]] == [1]
    assert 0.5 < reader["headroom"] <= 1
    assert 0 <= reader["waits"] < 60
    assert (seen["head"], seen["dead"]) == (3, 2)


def test_what_cannot_be_seen_is_said_beside_what_was_and_leaves_a_gap(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = WatchedOutbox(orders.collections, [])
    for at in (100.0, 105.0):
        outbox.look(at, whole=True)

    def away(*_: object, **__: object) -> None:
        raise ServerSelectionTimeoutError("no primary")

    monkeypatch.setattr(watched, "look", away)
    outbox.look(110.0, whole=True)

    assert (outbox.told()["error"], outbox.told()["seen"]["at"]) == ("no primary", 105.0)
    assert outbox.columns(0, 110.0)["put"] == [0.0, None]

"""Staging cleanup: when what the log holds is deleted, and that no takeover misses what is not deleted yet."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.sequencer import cleanup
from outbox.sequencer.sequencer import Sequencer
from tests.actors.command_listener import watched
from tests.actors.order_service import new_outbox, placed, totals
from tests.doubles.executors import Now

Document = dict[str, Any]


def test_at_a_low_rate_deletes_are_collected(mongo_uri: str, orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "_WORTH", 20)
    with watched(mongo_uri, orders.collections.database) as (database, commands):
        worker = Sequencer(Outbox(database).collections, threads=Now())
        worker.take_over()
        for n in range(19):
            orders.put(placed(n), standalone=True)
            assert worker.sweep().messages == 1
        assert commands.of("delete") == []
        orders.put(placed(19), standalone=True)
        assert worker.sweep().messages == 1
        assert len(commands.of("delete")) == 1
        worker.release()

    assert orders.status().staging == 0


def test_a_sweep_that_finds_nothing_new_deletes_what_is_left(orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    worker = Sequencer(orders.collections, threads=Now())
    worker.take_over()
    assert worker.sweep().messages == 1
    assert orders.status().staging == 1

    assert worker.sweep().messages == 0
    assert orders.status().staging == 0


def test_what_is_yet_to_be_deleted_is_found_by_whoever_takes_over(orders: Outbox) -> None:
    """Goes red when a batch's `undeleted` leaves out what waits to be deleted."""
    dead, next_one = Sequencer(orders.collections), Sequencer(orders.collections)
    dead.take_over()
    for n in range(3):
        orders.put(placed(n), standalone=True)
        dead.sweep()
    orders.collections.leases.update_one({"_id": "sequencer"}, {"$set": {"owner": None}})
    assert next_one.take_over()
    assert next_one.sweep().messages == 0

    assert orders.status().staging == 0
    assert totals(orders.read()) == [0, 1, 2]


def test_large_messages_do_not_wait_to_be_deleted(database: Database[Document]) -> None:
    """Whoever takes over must find in the log what is still in staging: it may roll over soon."""
    with new_outbox(database, capacity="8 MiB") as orders:
        orders.put(placed(1, note="x" * 600_000), standalone=True)
        worker = Sequencer(orders.collections, threads=Now())
        worker.take_over()
        assert worker.sweep().messages == 1
        assert orders.status().staging == 0

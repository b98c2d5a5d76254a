"""A reader at rest sleeps until there is something to do, and is woken when it is to end, to pause, or to hear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox, events
from outbox.delivery import worker
from outbox.events import Event
from outbox.readers import reader
from outbox.shares.paused import set_paused
from tests.actors.order_service import new_outbox, placed
from tests.actors.running import Handled, put, running
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks by himself."""
    monkeypatch.setattr(reader, "REST_SECONDS", 3600.0)
    monkeypatch.setattr(reader, "_LOOK_SECONDS", 3600.0)
    monkeypatch.setattr(worker, "LOOK_SECONDS", 3600.0)


@pytest.fixture
def orders(database: Database[dict[str, Any]]) -> Iterator[Outbox]:
    with new_outbox(database) as outbox:
        yield outbox


def _at_rest(told: list[Event]) -> None:
    wait_until(lambda: any(isinstance(each, events.CaughtUp) for each in told), 30, "the consumer to rest")


def test_it_ends_when_it_is_stopped(orders: Outbox) -> None:
    told: list[Event] = []
    put(orders, placed(1))
    with running(orders.consumer("billing", on_event=told.append), Handled()):
        _at_rest(told)


def test_it_hears_that_it_is_paused_and_goes_on(orders: Outbox) -> None:
    told: list[Event] = []
    put(orders, placed(1))
    with running(orders.consumer("billing", on_event=told.append), Handled()):
        _at_rest(told)
        assert set_paused(orders.collections, "consumer:billing", True)
        wait_until(lambda: events.Paused() in told, 30, "the pause")


def test_it_handles_what_comes(orders: Outbox) -> None:
    told: list[Event] = []
    handled = Handled()
    put(orders, placed(1))
    with running(orders.consumer("billing", on_event=told.append), handled):
        _at_rest(told)
        put(orders, placed(2))
        wait_until(lambda: len(handled.records) == 2, 30, "the second message")


def test_it_sees_that_its_lease_is_lost(orders: Outbox) -> None:
    told: list[Event] = []
    put(orders, placed(1))
    with running(orders.consumer("billing", on_event=told.append), Handled()):
        _at_rest(told)
        orders.collections.leases.update_one(
            {"_id": "consumer:billing"}, {"$set": {"owner": "another"}, "$inc": {"fence": 1}}
        )
        wait_until(lambda: any(isinstance(each, events.Standby) for each in told), 30, "it to stand by")

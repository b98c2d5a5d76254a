"""Whoever stands by for a lease asks seldom, and has it as soon as it may be had."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymongo import WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database

from outbox.mongo.lease import Lease
from outbox.testing import FakeClock

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def leases(database: Database[Document]) -> Collection[Document]:
    return database["outbox.leases"].with_options(write_concern=WriteConcern("majority"))


def _lease(leases: Collection[Document], clock: FakeClock | None = None) -> Lease:
    return Lease(leases, "sequencer", clock=FakeClock() if clock is None else clock)


def test_a_waiter_waits_no_longer_than_until_the_lease_can_be_had(leases: Collection[Document]) -> None:
    _lease(leases).acquire()
    clock = FakeClock()
    waiter = _lease(leases, clock)
    tries = 1
    while not waiter.acquire():
        assert not waiter.wait(1.0, threading.Event())
        tries += 1

    assert 3 <= clock.monotonic() <= 3.2
    assert tries <= 5


def test_a_waiter_hears_at_once_that_it_is_to_stop(leases: Collection[Document]) -> None:
    _lease(leases).acquire()
    stop = threading.Event()
    stop.set()
    waiter = _lease(leases)
    assert not waiter.acquire()

    assert waiter.wait(600, stop)


def test_a_waiter_of_the_same_host_sees_without_asking_that_the_holder_is_gone(
    leases: Collection[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    Lease(leases, "sequencer", seconds=600).acquire()
    clock = FakeClock()
    waiter = _lease(leases, clock)
    assert not waiter.acquire()
    monkeypatch.setattr("outbox.mongo.lease.is_gone", lambda process: clock.monotonic() > 0.3)

    assert not waiter.wait(1.0, threading.Event())
    assert clock.monotonic() < 0.5
    assert waiter.acquire()


def test_who_tries_only_once_waits_for_a_dead_holder(leases: Collection[Document]) -> None:
    assert Lease(leases, "sequencer", seconds=0.3).acquire()
    once = Lease(leases, "sequencer", seconds=0.3)

    assert once.acquire_if_idle()
    assert once.fence == 2


def test_who_tries_only_once_leaves_a_holder_at_work_alone(leases: Collection[Document]) -> None:
    holder, once = Lease(leases, "sequencer"), Lease(leases, "sequencer")
    assert holder.acquire()

    with ThreadPoolExecutor(1) as threads:
        trying = threads.submit(once.acquire_if_idle)
        while not trying.done():
            holder.renew()

    assert not trying.result()
    holder.renew()

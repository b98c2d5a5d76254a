"""Whether a relay is healthy, as `relay health` says it."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest
from bson import Timestamp
from pymongo.database import Database

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.mongo.lease import Lease
from outbox.mongo.process_identity import this_process
from outbox.testing import FakeClock
from relay import Relay
from relay.monitoring.health import unhealthy
from relay.testing import MemorySink
from tests.actors.order_service import foreign, new_outbox, unchecked
from tests.actors.relay_thread import Relaying, cursor_of
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


def test_a_working_relay_is_healthy_and_one_that_stopped_is_not(orders: Outbox) -> None:
    never = unhealthy(orders, "kafka", SystemClock())
    with Relaying(Relay(orders, MemorySink(), lease_seconds=1.0)):
        wait_until(lambda: cursor_of(orders), 30, "the relay to work")
        assert unhealthy(orders, "kafka", SystemClock()) is None
    stopped = unhealthy(orders, "kafka", SystemClock())

    assert never == "no relay 'kafka' has ever worked on this outbox"
    assert stopped == "no relay 'kafka' is at work: the last one gave its lease back"


def test_a_relay_is_not_healthy_while_messages_wait_and_nobody_numbers_them(database: Database[Document]) -> None:
    """Goes red when only the relay's own lease is looked at: it beats, and nothing arrives."""
    with new_outbox(database, sequence=False) as orders:
        with Relaying(Relay(orders, MemorySink(), lease_seconds=1.0)):
            wait_until(lambda: cursor_of(orders), 30, "the relay to work")
            unchecked(orders, foreign(at=Timestamp(1_700_000_000, 1)))
            nobody = unhealthy(orders, "kafka", SystemClock())
            lease = Lease(orders.collections.leases, "sequencer", owner="dead")
            assert lease.acquire()
            somebody = unhealthy(orders, "kafka", SystemClock())
            orders.collections.leases.update_one({"_id": "sequencer"}, {"$set": {"renewed": datetime(2025, 1, 1)}})  # noqa: DTZ001  # stored as UTC
            dead, status = unhealthy(orders, "kafka", SystemClock()), orders.status()

        assert "no process numbers them" in str(nobody)
        assert somebody is None
        assert "no process numbers them" in str(dead)
        assert status.unsequenced


@pytest.mark.skipif(this_process() is None, reason="only Linux tells which process it is")
def test_a_relay_killed_on_this_host_is_not_healthy_at_once(orders: Outbox) -> None:
    assert Lease(orders.collections.leases, "relay:kafka").acquire()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    process = {**(this_process() or {}), "pid": ended.pid}
    orders.collections.leases.update_one({"_id": "relay:kafka"}, {"$set": {"process": process}})

    assert "has ended" in str(unhealthy(orders, "kafka", FakeClock()))


def test_a_relay_that_was_killed_is_not_healthy(orders: Outbox) -> None:
    assert Lease(orders.collections.leases, "relay:kafka", owner="dead").acquire()

    assert "no sign of life" in str(unhealthy(orders, "kafka", SystemClock(), seconds=0.5))

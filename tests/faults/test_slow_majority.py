"""One node is down and another far behind: everything takes longer, and works."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from outbox import Outbox
from outbox.mongo.collections import Collections
from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_thread import Relaying
from tests.servers.replica_set import ReplicaSet
from tests.waiting import wait_until

BEHIND_SECONDS = 4
"""Two writes of one call take longer than a call may by itself."""

pytestmark = pytest.mark.timeout(280)


@pytest.fixture
def behind() -> Iterator[Outbox]:
    """An outbox whose majority is always that far behind, with three messages staged."""
    with ReplicaSet() as servers, MongoClient[dict[str, Any]](servers.uri) as client:
        outbox = new_outbox(client["test_slow_majority"])
        outbox.put([placed(number) for number in range(3)], standalone=True)
        slow, dead = servers.secondaries()
        config = client.admin.command("replSetGetConfig")["config"]
        config["version"] += 1
        for member in config["members"]:
            if member["host"] in (servers.address(slow), servers.address(dead)):
                member["priority"] = 0
            if member["host"] == servers.address(slow):
                member |= {"hidden": True, "secondaryDelaySecs": BEHIND_SECONDS}
        client.admin.command("replSetReconfig", config)
        servers.kill(dead)
        yield outbox


def test_it_is_sequenced_and_relayed_and_said(behind: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    assert behind.sequence() == 3

    sink = MemorySink()
    with Relaying(Relay(Outbox(behind.collections.database, sequence=False), sink)) as relaying:
        cursors = Collections(behind.collections.database, "outbox").cursors
        wait_until(lambda: cursors.find_one({"_id": "relay:kafka", "seq": 3}) or relaying.error, 200, "the cursor")
        assert relaying.error is None
    said = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]

    assert [record.seq for record in sink.records] == [1, 2, 3]
    assert any("slow to confirm" in each for each in said)
    assert not any("could not be confirmed" in each for each in said)


@pytest.mark.parametrize("shares", [1, 2])
def test_a_relay_that_is_stopped_without_a_majority_ends_before_it_would_be_killed(shares: int) -> None:
    """Docker gives a process 10 s. What could not be saved comes again, and the lease runs out by itself."""
    with ReplicaSet() as servers, MongoClient[dict[str, Any]](servers.uri) as client:
        orders = new_outbox(client["test_stop"], sequence=False)
        sink = MemorySink()
        running = Relaying(Relay(orders, sink, shares=shares))
        with running:
            wait_until(lambda: running.knows_of_a_cursor, 60, "the relay to have begun")
            sink.away = True
            orders.put([placed(number, f"k{number}") for number in range(8)], standalone=True)
            orders.sequence()
            for node in servers.secondaries():
                servers.kill(node)
            sink.away = False
            wait_until(lambda: len(sink.records) == 8, 60, "all to be sent")

            began = time.monotonic()
            running.stop()
            took = time.monotonic() - began

        assert running.error is None
        assert took < 9
        logging.getLogger("test").info("stopped in %.1f s", took)

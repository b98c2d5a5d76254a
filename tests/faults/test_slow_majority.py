"""One node is down and another far behind: everything takes longer, and works."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from outbox import Outbox
from outbox.collections import Collections
from relay import Relay
from relay.testing import MemorySink
from tests.orders import new_outbox, placed
from tests.relaying import Relaying
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

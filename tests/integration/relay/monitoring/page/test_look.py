"""What is seen of an outbox at one moment."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bson import Int64
from pymongo import MongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from outbox import Outbox
from relay import Relay
from relay.monitoring.page import look as look_module
from relay.monitoring.page.look import look
from relay.testing import MemorySink
from tests.actors.relay_thread import given_cursor, run_once
from tests.integration.relay.monitoring.page.conftest import numbered


def test_of_several_shares_the_slowest_counts(orders: Outbox) -> None:
    numbered(orders, 5)
    run_once(Relay(orders, MemorySink(), shares=3))
    orders.collections.cursors.update_one({"_id": "relay:kafka/2"}, {"$set": {"seq": Int64(2)}})

    seen = look(orders.collections, 0.0, whole=True)

    assert seen.positions == {"relay:kafka": 2}
    assert seen.sample([]).gauges["lag:relay:kafka"] == 3
    assert seen.waiting.keys() == {"relay:kafka"}
    assert {lease["role"] for lease in seen.leases} >= {"relay:kafka", "relay:kafka/2"}


def test_a_reader_that_lost_history_has_no_headroom(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    numbered(orders, 2)
    given_cursor(orders, 0)
    now = orders.status()
    lost = replace(now, cursors=tuple(replace(each, headroom=None) for each in now.cursors))
    monkeypatch.setattr(look_module, "status", lambda _: lost)

    assert look(orders.collections, 0.0, whole=False).headroom == {"relay:kafka": 0.0}


def test_fifty_readers_and_their_waits_are_seen_with_few_commands(orders: Outbox) -> None:
    numbered(orders, 3)
    for number in range(50):
        orders.collections.cursors.insert_one(
            {"_id": f"consumer:{number:02}", "seq": Int64(number % 3), "created": None, "id": None}
        )
    commands = Commands()

    with MongoClient(*orders.collections.client.address, event_listeners=[commands]) as client:
        seen = look(Outbox(client[orders.collections.database.name]).collections, 0.0, whole=True)

    assert len(seen.readers) == len(seen.waiting) == 50
    assert len(commands.names) < 40


class Commands(CommandListener):
    """Notes the commands that a client sends."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event: object) -> None:
        pass

    def failed(self, event: object) -> None:
        pass

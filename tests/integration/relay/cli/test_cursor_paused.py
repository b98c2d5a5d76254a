"""The commands `relay pause` and `relay resume`."""

from __future__ import annotations

import json

from outbox import Outbox
from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import placed
from tests.actors.relay_command import RelayCommand
from tests.actors.relay_thread import Relaying, saved_seq
from tests.waiting import wait_until


def test_a_paused_relay_delivers_nothing_until_it_is_resumed(relay: RelayCommand, orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    relay("run", "--once")

    paused = relay("pause")
    shown = json.loads(relay("status", "--json").stdout)["paused"]
    refused = relay("run", "--once")
    resumed = relay("resume")
    done = relay("run", "--once")

    assert paused.returncode == 0, paused.stderr
    assert paused.stdout.endswith("relay 'kafka': paused; it holds the log all the same, until `relay resume`\n")
    assert shown is True
    assert refused.returncode == 4
    assert "is paused, so not all is delivered: `relay resume --name kafka` lets it go on" in refused.stderr
    assert resumed.stdout.endswith("relay 'kafka': not paused\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(relay("status", "--json").stdout)["paused"] is False


def test_a_relay_that_has_not_begun_cannot_be_paused(relay: RelayCommand, orders: Outbox) -> None:
    refused = relay("pause")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "has no durable reader 'relay:kafka' that has begun" in refused.stderr
    assert orders.readers() == []


def test_health_says_of_a_paused_relay_that_it_is_paused(relay: RelayCommand, orders: Outbox) -> None:
    with Relaying(Relay(orders, MemorySink())):
        wait_until(lambda: saved_seq(orders) is not None, 30, "it to begin")
        relay("pause")
        healthy = relay("health")

    assert (healthy.returncode, healthy.stderr) == (0, "")
    assert healthy.stdout.endswith("is paused: `relay resume --name kafka` lets it go on\n")

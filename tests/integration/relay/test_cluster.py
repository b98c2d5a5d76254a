"""Which Kafka the relays of a name write to."""

from __future__ import annotations

import threading
from typing import Any

import pymongo
import pytest

from outbox import Outbox
from relay import Relay
from relay.cluster import known_cluster, note_cluster
from relay.testing import MemorySink


class SinkOf(MemorySink):
    """One that says which cluster it writes to."""

    def __init__(self, cluster: str) -> None:
        super().__init__()
        self.cluster = cluster


def run(orders: Outbox, cluster: str) -> None:
    Relay(orders, SinkOf(cluster)).run(threading.Event(), once=True)


def test_a_relay_notes_it_when_it_takes_over(orders: Outbox) -> None:
    assert known_cluster(orders.collections, "relay:kafka") is None
    run(orders, "here")

    assert known_cluster(orders.collections, "relay:kafka") == "here"
    assert known_cluster(orders.collections, "relay:other") is None


def test_one_that_goes_to_another_warns(orders: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    run(orders, "here")
    note_cluster(orders.collections, "relay:kafka", "here")
    assert "another Kafka" not in caplog.text

    note_cluster(orders.collections, "relay:kafka", "there")

    assert "has written to another Kafka until now: to cluster here, and from here on to there" in caplog.text
    assert known_cluster(orders.collections, "relay:kafka") == "there"


def test_a_server_that_is_away_costs_only_the_note(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    client: pymongo.MongoClient[Any] = pymongo.MongoClient("mongodb://127.0.0.1:1", serverSelectionTimeoutMS=10)
    with client, Outbox(client.shop) as away:
        note_cluster(away.collections, "relay:kafka", "here")

    assert "which Kafka relay 'kafka' writes to could not be noted" in caplog.text

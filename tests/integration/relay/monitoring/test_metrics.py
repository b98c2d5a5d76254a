"""The metrics of relays."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from outbox import Outbox
from outbox.errors import Verdict
from relay import Relay, RelayCollector
from relay.testing import MemorySink
from tests.actors.relay_thread import Relaying, numbered
from tests.waiting import wait_until


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_what_was_delivered_is_counted_by_topic_and_timed(orders: Outbox, registry: CollectorRegistry) -> None:
    sink = MemorySink()
    relay = Relay(orders, sink)
    registry.register(RelayCollector(relay))
    numbered(orders, 3)

    with Relaying(relay):
        topic = f"{orders.collections.database.name}.outbox"
        wait_until(
            lambda: registry.get_sample_value("relay_sent_messages_total", {"topic": topic}) == 3, 30, "3 to be sent"
        )

    for name in ("relay_delivery_seconds_count", "relay_publish_seconds_count", "relay_batch_messages_sum"):
        assert registry.get_sample_value(name) == 3
    handled = {"outbox": "outbox", "reader": "relay:kafka"}
    assert registry.get_sample_value("outbox_handled_messages_total", {**handled, "result": "ok"}) == 3


def test_tries_that_fail_are_counted_and_their_messages_once(orders: Outbox, registry: CollectorRegistry) -> None:
    sink = MemorySink()
    sink.refused = {2: Verdict.RETRY}
    relay = Relay(orders, sink)
    registry.register(RelayCollector(relay))
    numbered(orders, 3)

    with Relaying(relay):
        failed = {"code": "DeliveryFailed"}
        wait_until(lambda: registry.get_sample_value("relay_retries_total", failed), 30, "a try to fail")
        sink.refused = {}
        wait_until(lambda: relay.tally.handled.all()["ok"] == 3, 30, "3 to be sent")

    assert registry.get_sample_value("relay_delivery_seconds_count") == 3

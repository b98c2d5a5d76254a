"""What a replay would send, counted."""

from __future__ import annotations

import random

from outbox import Outbox
from relay.config import RelayConfig
from relay.encoding.topics import Topics
from relay.replay.asked import Asked
from relay.replay.counting import Counted, count
from tests.actors.order_service import OrderCancelled
from tests.actors.relay_thread import numbered


def test_it_counts_by_type_and_topic_and_stores_nothing(orders: Outbox) -> None:
    numbered(orders, 5)
    orders.put([OrderCancelled(order_id="7")], standalone=True)
    numbered(orders, 1)
    config = RelayConfig(orders, "kafka", "beginning", "stop", random.random, Topics("to.{type}"))
    leases = list(orders.collections.leases.find({"_id": {"$ne": "sequencer"}}))

    counted = count(config, Asked(4, "latest"))

    assert counted == Counted(
        4, 7, {("order.cancelled", "to.order.cancelled"): 1, ("order.placed", "to.order.placed"): 3}
    )
    assert count(config, Asked(1, 7, key="7")).records == {("order.cancelled", "to.order.cancelled"): 1}
    assert list(orders.collections.leases.find({"_id": {"$ne": "sequencer"}})) == leases

"""Relays an outbox to Kafka. `Relay(outbox, KafkaSink("localhost:9092")).run(stop)`, or the command `relay`.

Needs the extra `relay`: pip install '.[relay]', in a clone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relay.kafka import KafkaSink
    from relay.kafka_topics import NewTopics
    from relay.kafka_transactions import KafkaTransactions
    from relay.runner import Relay
    from relay.topics import Topics

__all__ = ["KafkaSink", "KafkaTransactions", "NewTopics", "Relay", "Topics"]

_HOMES = {
    "KafkaSink": "relay.kafka",
    "KafkaTransactions": "relay.kafka_transactions",
    "NewTopics": "relay.kafka_topics",
    "Relay": "relay.runner",
    "Topics": "relay.topics",
}


def __getattr__(name: str) -> Any:
    # On first use, so that `relay health` need not load a Kafka client, and a missing extra can be explained.
    if name not in _HOMES:
        raise AttributeError(f"module 'relay' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)

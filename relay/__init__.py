"""Relays an outbox to Kafka. `Relay(outbox, KafkaSink("localhost:9092")).run(stop)`, or the command `relay`.

Needs the extra `relay`: pip install '.[relay]', in a clone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relay.encoding.topics import Topics
    from relay.kafka.sink import KafkaSink
    from relay.kafka.topic_admin import NewTopics
    from relay.kafka.transactional_sink import KafkaTransactions
    from relay.relay import Relay

__all__ = ["KafkaSink", "KafkaTransactions", "NewTopics", "Relay", "Topics"]

_MODULES = {
    "KafkaSink": "relay.kafka.sink",
    "KafkaTransactions": "relay.kafka.transactional_sink",
    "NewTopics": "relay.kafka.topic_admin",
    "Relay": "relay.relay",
    "Topics": "relay.encoding.topics",
}


def __getattr__(name: str) -> Any:
    # On first use, so that `relay health` need not load a Kafka client, and a missing extra can be explained.
    if name not in _MODULES:
        raise AttributeError(f"module 'relay' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULES[name]), name)

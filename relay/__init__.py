"""Relays an outbox to Kafka. `Relay(outbox, KafkaSink("localhost:9092")).run(stop)`, or the command `relay`.

Needs the extra `relay`: pip install '.[relay]', in a clone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outbox.delivery.ports import Sink, TransactionalSink
    from relay.encoding.header_names import HeaderNames
    from relay.encoding.key_from import KeyFrom
    from relay.encoding.record_format import RecordFormat
    from relay.encoding.topics import Topics
    from relay.errors import (
        CursorInUse,
        CursorMismatch,
        DeliveryFailed,
        DeliveryRefused,
        InvalidSettings,
        LetterCorrupt,
        LetterTaken,
        PoisonMessage,
        ReaderPaused,
        RelayError,
        TopicMissing,
        Unreachable,
        Verdict,
    )
    from relay.kafka.schema_registry import SchemaRegistry
    from relay.kafka.sink import KafkaSink
    from relay.kafka.topic_admin import NewTopics
    from relay.kafka.transactional_sink import KafkaTransactions
    from relay.monitoring.metrics import RelayCollector
    from relay.relay import Relay

__all__ = [
    "CursorInUse",
    "CursorMismatch",
    "DeliveryFailed",
    "DeliveryRefused",
    "HeaderNames",
    "InvalidSettings",
    "KafkaSink",
    "KafkaTransactions",
    "KeyFrom",
    "LetterCorrupt",
    "LetterTaken",
    "NewTopics",
    "PoisonMessage",
    "ReaderPaused",
    "RecordFormat",
    "Relay",
    "RelayCollector",
    "RelayError",
    "SchemaRegistry",
    "Sink",
    "TopicMissing",
    "Topics",
    "TransactionalSink",
    "Unreachable",
    "Verdict",
]

_MODULES = {
    "CursorInUse": "relay.errors",
    "CursorMismatch": "relay.errors",
    "DeliveryFailed": "relay.errors",
    "DeliveryRefused": "relay.errors",
    "HeaderNames": "relay.encoding.header_names",
    "InvalidSettings": "relay.errors",
    "KafkaSink": "relay.kafka.sink",
    "KafkaTransactions": "relay.kafka.transactional_sink",
    "KeyFrom": "relay.encoding.key_from",
    "LetterCorrupt": "relay.errors",
    "LetterTaken": "relay.errors",
    "NewTopics": "relay.kafka.topic_admin",
    "PoisonMessage": "relay.errors",
    "ReaderPaused": "relay.errors",
    "RecordFormat": "relay.encoding.record_format",
    "Relay": "relay.relay",
    "RelayCollector": "relay.monitoring.metrics",
    "RelayError": "relay.errors",
    "SchemaRegistry": "relay.kafka.schema_registry",
    "Sink": "outbox.delivery.ports",
    "TopicMissing": "relay.errors",
    "Topics": "relay.encoding.topics",
    "TransactionalSink": "outbox.delivery.ports",
    "Unreachable": "relay.errors",
    "Verdict": "relay.errors",
}


if not TYPE_CHECKING:  # which would take any name for one of these

    def __getattr__(name: str) -> Any:
        # On first use, so that `relay health` need not load a Kafka client, and a missing extra can be explained.
        if name not in _MODULES:
            raise AttributeError(f"module 'relay' has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(_MODULES[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

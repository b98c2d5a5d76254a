"""A registry of prometheus_client that has the numbers of outboxes, as a service exposes them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from outbox import AsyncOutbox, Outbox
from outbox.metrics import OutboxCollector


class Exposed:
    """A registry with the numbers of some outboxes."""

    def __init__(self, *outboxes: Outbox | AsyncOutbox) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(OutboxCollector(*outboxes))

    def value(self, name: str, outbox: Outbox | AsyncOutbox, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"outbox": outbox.name, **labels})

"""Metrics of an outbox: for Prometheus `OutboxCollector`, for OpenTelemetry `outbox.metrics.opentelemetry.instrument`.

Needs prometheus-client, which comes with the extra `relay`.
"""

from outbox.metrics.collector import OutboxCollector

__all__ = ["OutboxCollector"]

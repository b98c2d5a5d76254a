"""The gateway's metrics, and its outbox's, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from outbox.gateway.counts import Counts
from outbox.gateway.delivery.components import Components
from outbox.gateway.delivery.live import Live
from outbox.metrics import OutboxCollector
from outbox.outbox import Outbox


@dataclass(frozen=True)
class GatewayCollector:
    """Gives what a gateway has counted. Asks no server."""

    counts: Counts
    components: Components
    live: Live

    def collect(self) -> Iterator[Metric]:
        """Gives the numbers of now."""
        calls = CounterMetricFamily("gateway_calls_total", "Calls, and WebSockets, by kind.", labels=["kind"])
        for kind, number in self.counts.calls.items():
            calls.add_metric([kind], number)
        yield calls
        failures = CounterMetricFamily("gateway_failures_total", "Calls that were refused.", labels=["status"])
        for status, number in sorted(self.counts.failures.items()):
            failures.add_metric([status], number)
        yield failures
        yield CounterMetricFamily(
            "gateway_skipped_records_total", "Records that live clients were too slow for.", value=self.live.skipped
        )
        yield GaugeMetricFamily("gateway_connections", "Calls and streams at work.", value=self.counts.connections)
        yield GaugeMetricFamily(
            "gateway_consumers_connected", "Registered consumers.", value=len(self.components.connected_ids)
        )
        yield GaugeMetricFamily(
            "gateway_queue_bytes", "Of records that wait for registered clients.", value=self.components.queue_bytes
        )


class Exposition:
    """Says them in a format that a scraper takes. It asks the database. Thread-safe."""

    def __init__(self, orders: Outbox, collector: GatewayCollector) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(OutboxCollector(orders))
        self._registry.register(collector)

    def text(self, accept: str) -> tuple[bytes, str]:
        """Returns the text, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

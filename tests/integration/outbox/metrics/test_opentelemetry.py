"""The same numbers by OpenTelemetry."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from outbox import Outbox
from outbox.metrics import OutboxCollector
from outbox.metrics.opentelemetry import instrument
from tests.actors.order_service import placed

Document = dict[str, Any]


def test_opentelemetry_has_the_same_numbers(orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    reader = InMemoryMetricReader()
    collector = OutboxCollector(orders)
    instrument(collector, MeterProvider([reader]).get_meter("test"))

    data = reader.get_metrics_data()

    assert data is not None
    found = {
        (metric.name, frozenset((point.attributes or {}).items())): getattr(point, "value", None)
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
    }
    numbers = collector.numbers()
    for name, family in numbers.families.items():
        if family.kind != "histogram":
            for labels, value in numbers.values[name].items():
                assert found[name, frozenset(zip(family.labels, labels, strict=True))] == pytest.approx(value, abs=5)

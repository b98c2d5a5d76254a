"""Gives the numbers of a collector to OpenTelemetry, under the same names. Needs the extra `observe`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter
from prometheus_client.utils import floatToGoString

from outbox.clock import Clock, SystemClock
from outbox.counting.tally import Distribution
from outbox.metrics.collector import OutboxCollector
from outbox.metrics.numbers import Family, Numbers

TOGETHER_SECONDS = 1.0
"""So long numbers are used again: one collection calls back for each instrument."""
_Read = Callable[[CallbackOptions], Iterable[Observation]]


def instrument(collector: OutboxCollector, meter: Meter | None = None, *, clock: Clock | None = None) -> None:
    """Makes the instruments of a meter that give what the collector has, whenever they are asked.

    meter: None for that of the process's own MeterProvider. Its callbacks block, as `collect` does. A histogram is
    three counters, as in Prometheus's text: NAME_bucket by `le`, NAME_sum and NAME_count.
    """
    meter = get_meter("mongo-outbox") if meter is None else meter
    together = _Together(collector, SystemClock() if clock is None else clock)
    for family in collector.families:
        if family.kind == "histogram":
            for part in ("bucket", "sum", "count"):
                name = f"{family.name}_{part}"
                meter.create_observable_counter(name, [_part(together, family, part)], description=family.help)
        elif family.kind == "counter":
            meter.create_observable_counter(family.name, [_plain(together, family)], description=family.help)
        else:
            meter.create_observable_gauge(family.name, [_plain(together, family)], description=family.help)


class _Together:
    """Gathers the numbers once for all instruments that are asked together. Thread-safe."""

    def __init__(self, collector: OutboxCollector, clock: Clock) -> None:
        self._collector = collector
        self._clock = clock
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._numbers: Numbers | None = None

    def numbers(self) -> Numbers:
        with self._lock:
            if self._numbers is None or self._clock.monotonic() - self._at >= TOGETHER_SECONDS:
                self._numbers, self._at = self._collector.numbers(), self._clock.monotonic()
            return self._numbers


def _plain(together: _Together, family: Family) -> _Read:
    def read(_: CallbackOptions) -> Iterable[Observation]:
        for labels, value in together.numbers().values[family.name].items():
            assert not isinstance(value, Distribution)
            yield Observation(value, dict(zip(family.labels, labels, strict=True)))

    return read


def _part(together: _Together, family: Family, part: str) -> _Read:
    def read(_: CallbackOptions) -> Iterable[Observation]:
        for labels, value in together.numbers().values[family.name].items():
            assert isinstance(value, Distribution)
            named = dict(zip(family.labels, labels, strict=True))
            if part == "bucket":
                for bound, count in value.buckets:
                    yield Observation(count, {**named, "le": floatToGoString(bound)})  # type: ignore[no-untyped-call]  # theirs has no types
            else:
                yield Observation(value.sum if part == "sum" else value.buckets[-1][1], named)

    return read

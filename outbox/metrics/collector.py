"""Exposes the numbers of outboxes in a registry of prometheus_client."""

from __future__ import annotations

import importlib.metadata
import logging
import threading
from collections.abc import Iterable, Iterator

import pymongo
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString
from pymongo.errors import PyMongoError

from outbox.clock import Clock, SystemClock
from outbox.counting.tally import Distribution
from outbox.errors import OutboxError
from outbox.metrics.families import FAMILIES, with_database
from outbox.metrics.numbers import Family, Numbers
from outbox.metrics.outbox import Measured, OutboxNumbers
from outbox.mongo.server_errors import short_message

logger = logging.getLogger("outbox")

ASK_SECONDS = 4.0
"""For the database's answers: Prometheus gives up a scrape after ten seconds."""
AGAIN_SECONDS = 60.0


class OutboxCollector:
    """Gives the numbers of outboxes whenever a registry asks: `REGISTRY.register(OutboxCollector(orders))`.

    One collector a registry, of as many outboxes as the process has, each an Outbox or an AsyncOutbox. It asks the
    database at each scrape, some small reads and at most ASK_SECONDS for each client; while that does not answer, its
    numbers are left out, and those that the process has counted are there. Thread-safe. Blocks: not for an event loop.

    When outboxes of several databases have one name, all numbers have the label `database` beside `outbox`.
    """

    families: tuple[Family, ...] = FAMILIES

    def __init__(self, *outboxes: Measured, clock: Clock | None = None) -> None:
        measured = [each.collections for each in outboxes]
        is_shared = len({each.name for each in measured}) < len({each.log.full_name for each in measured})
        if is_shared:
            self.families = with_database(self.families)
        self._outboxes = [OutboxNumbers(each, by_database=is_shared) for each in measured]
        self._version = importlib.metadata.version("mongo-outbox")  # read from a file
        self._clock: Clock = SystemClock() if clock is None else clock
        self._lock = threading.Lock()
        self._said = float("-inf")

    def describe(self) -> Iterator[Metric]:
        """Names what it gives, for the registry. Asks no server."""
        return (_metric(each, {}) for each in self.families)

    def collect(self) -> Iterator[Metric]:
        """Gives the numbers of now."""
        numbers = self.numbers()
        return (_metric(each, numbers.values[each.name]) for each in self.families)

    def numbers(self) -> Numbers:
        """Gathers the numbers of now, by their names and labels."""
        numbers = Numbers(self.families)
        numbers.set("outbox_build_info", 1, self._version)
        waited: dict[int, float] = {}
        for each in self._outboxes:
            self._ask(each, numbers, waited)
            each.count(numbers)
        return numbers

    def _ask(self, outbox: OutboxNumbers, numbers: Numbers, waited: dict[int, float]) -> None:
        """waited: by client, for how long nothing came of it. A database that is away costs ASK_SECONDS once, however
        many outboxes it has."""
        client, began = id(outbox.collections.client), self._clock.monotonic()
        left = ASK_SECONDS - waited.get(client, 0.0)
        if left <= 0:
            return
        try:
            with pymongo.timeout(left):
                outbox.ask(numbers)
        except (PyMongoError, OutboxError) as error:
            waited[client] = waited.get(client, 0.0) + self._clock.monotonic() - began
            self._say(outbox, error)

    def _say(self, outbox: OutboxNumbers, error: Exception) -> None:
        now = self._clock.monotonic()
        with self._lock:
            if now - self._said < AGAIN_SECONDS:
                return
            self._said = now
        name = outbox.collections.log.full_name
        said = "metrics of %s lack what the database knows: %s"
        logger.warning(said, name, short_message(error), extra={"outbox": name})


def _metric(family: Family, values: dict[tuple[str, ...], float | Distribution]) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for labels, value in values.items():
            assert isinstance(value, Distribution)
            buckets = [(_text(bound), count) for bound, count in value.buckets]
            histogram.add_metric(labels, buckets, value.sum)
        return histogram
    made = (CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily)(
        family.name, family.help, labels=family.labels
    )
    for labels, number in values.items():
        assert not isinstance(number, Distribution)
        made.add_metric(labels, number)
    return made


def _text(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]  # theirs has no types


def summed(distributions: Iterable[Distribution]) -> Distribution:
    """Adds up histograms of the same bounds, one or more."""
    all_of_them = list(distributions)
    bounds = [bound for bound, _ in all_of_them[0].buckets]
    rows = ([count for _, count in each.buckets] for each in all_of_them)
    counts = [sum(column) for column in zip(*rows, strict=True)]
    return Distribution(tuple(zip(bounds, counts, strict=True)), sum(each.sum for each in all_of_them))

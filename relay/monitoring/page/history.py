"""Keeps the numbers of a day, in bounded memory: the last hour finely, the last day coarsely."""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from outbox.counting.tally import Distribution

POINTS = 720
FINE_SECONDS = 5.0
COARSE_SECONDS = 120.0
MOST_SERIES = 400
"""Enough for a hundred readers. Twice 720 points of so many numbers are 4.6 MB; of three readers, 0.2 MB."""

_NOTHING = math.nan
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Sample:
    """Holds the numbers of one moment."""

    at: float
    """In seconds since the epoch."""
    counters: Mapping[str, float]
    """What only grows; kept as rates, a second."""
    gauges: Mapping[str, float]
    """Kept as the worst in between: the highest, of `headroom:…` the lowest."""
    latency: Distribution
    """What was counted so far; kept as the quantiles of what came in between."""


class Ring:
    """Holds the newest points of one step. Not thread-safe."""

    def __init__(self, step: float, points: int = POINTS) -> None:
        self.step = step
        self._points: deque[tuple[float, array[float]]] = deque(maxlen=points)
        self._places: dict[str, int] = {}
        self._last: Sample | None = None
        self._worst: dict[str, float] = {}

    def add(self, sample: Sample) -> None:
        """Takes a sample; makes a point of all since the last point, once the step is over."""
        for name, value in sample.gauges.items():
            worse = min if name.startswith("headroom:") else max
            self._worst[name] = worse(value, self._worst.get(name, value))
        last = self._last
        if last is None:
            self._last = sample
        elif sample.at - last.at >= self.step * 0.9:  # who samples is never quite on time
            self._append(sample.at, {**_rates(last, sample), **_quantiles(last, sample), **self._worst})
            self._last, self._worst = sample, {}

    def gap(self, at: float) -> None:
        """Notes that nothing is known of this moment: a line is not to be drawn across it."""
        if not self._points or at - self._points[-1][0] >= self.step * 0.9:
            self._points.append((at, array("d")))

    def newest(self) -> dict[str, float]:
        """Returns the newest point, without what is not known of it; empty when there is none."""
        if not self._points:
            return {}
        at, values = self._points[-1]
        known = {name: values[place] for name, place in self._places.items() if place < len(values)}
        return {"at": at, **{name: value for name, value in known.items() if not math.isnan(value)}}

    def columns(self, since: float) -> dict[str, list[float | None]]:
        """Returns the points since a moment, a list for each series and one of the moments, `at`."""
        points = [(at, values) for at, values in self._points if at >= since]
        found: dict[str, list[float | None]] = {"at": [at for at, _ in points]}
        for name, place in self._places.items():
            column = [_known(values, place) for _, values in points]
            if any(value is not None for value in column):
                found[name] = column
        return found

    def _append(self, at: float, point: Mapping[str, float]) -> None:
        for name in point:
            if name not in self._places and len(self._places) < MOST_SERIES:
                self._places[name] = len(self._places)
        values = array("d", [_NOTHING]) * len(self._places)
        for name, value in point.items():
            if name in self._places:
                values[self._places[name]] = value
        self._points.append((at, values))


class History:
    """Keeps the samples of one outbox: 720 points of 5 s and more, and as many of 2 min. Not thread-safe."""

    def __init__(self) -> None:
        self.fine = Ring(FINE_SECONDS)
        self.coarse = Ring(COARSE_SECONDS)

    def add(self, sample: Sample) -> None:
        """Takes a sample."""
        self.fine.add(sample)
        self.coarse.add(sample)

    def gap(self, at: float) -> None:
        """Notes that nothing is known of this moment."""
        self.fine.gap(at)
        self.coarse.gap(at)


def _known(values: array[float], place: int) -> float | None:
    return values[place] if place < len(values) and not math.isnan(values[place]) else None


def _rates(last: Sample, now: Sample) -> dict[str, float]:
    """What the counters have grown by, a second; nothing is less than none, such as after a log was made anew."""
    seconds = now.at - last.at
    return {
        name: max(0.0, value - last.counters[name]) / seconds
        for name, value in now.counters.items()
        if name in last.counters
    }


def _quantiles(last: Sample, now: Sample) -> dict[str, float]:
    """Estimates quantiles of what was counted in between, as Prometheus does: evenly within each bound."""
    before = dict(last.latency.buckets)
    counts = [(bound, count - before.get(bound, 0)) for bound, count in now.latency.buckets]
    total = counts[-1][1] if counts else 0
    if total <= 0:
        return {}
    return {name: _quantile(counts, share * total) for name, share in _QUANTILES.items()}


def _quantile(counts: list[tuple[float, int]], rank: float) -> float:
    below, low = 0, 0.0
    for bound, count in counts:
        if count >= rank:
            inside = count - below
            return low if math.isinf(bound) else low + (bound - low) * (rank - below) / inside
        below, low = count, bound
    return low

"""Counts what this process does with an outbox: how many, how long, how often it failed. outbox.metrics shows it."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Bounds for seconds: from what a call takes to how long a broker was away."""
MESSAGES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


class Counts:
    """Counts by label. Thread-safe; a label that is declared is there from the start, as 0."""

    def __init__(self, *labels: str) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, float] = dict.fromkeys(labels, 0)

    def declare(self, labels: Iterable[str]) -> None:
        """Makes these labels be there, as 0 unless they are counted already."""
        with self._lock:
            for label in labels:
                self._counts.setdefault(label, 0)

    def add(self, label: str, count: float = 1) -> None:
        """Adds to the count of a label."""
        with self._lock:
            self._counts[label] = self._counts.get(label, 0) + count

    def all(self) -> dict[str, float]:
        """Returns the counts of now."""
        with self._lock:
            return dict(self._counts)


class Distribution(NamedTuple):
    """Holds a histogram's numbers at one moment."""

    buckets: tuple[tuple[float, int], ...]
    """Of each upper bound, how many values are at most that; the last bound is infinite."""
    sum: float


class Histogram:
    """Counts values by their size. Thread-safe. bounds: the upper ones, in order."""

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._lock = threading.Lock()
        self._bounds = (*bounds, float("inf"))
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0

    def add(self, value: float, count: int = 1) -> None:
        """Counts a value, `count` times."""
        with self._lock:
            self._counts[bisect_left(self._bounds, value)] += count
            self._sum += value * count

    def add_all(self, values: list[float]) -> None:
        """Counts many values, and sorts them: so each costs next to nothing."""
        values.sort()
        with self._lock:
            begin = 0
            for at, bound in enumerate(self._bounds):
                end = bisect_right(values, bound, begin)
                self._counts[at] += end - begin
                begin = end
                if begin == len(values):
                    break
            self._sum += sum(values)

    def add_ages(self, now: int, moments: list[int]) -> None:
        """Counts how long ago each of these moments was, in milliseconds all, as seconds; and sorts them.

        One that is still to come, by another clock, counts as 0. Cheaper than `add_all`: nothing is done for each.
        """
        if not moments:
            return
        moments.sort()
        if moments[-1] > now:
            moments = [min(each, now) for each in moments]
        with self._lock:
            begin = len(moments)
            for at, bound in enumerate(self._bounds):
                oldest = now - bound * 1000
                end = 0 if moments[0] >= oldest else bisect_left(moments, oldest, 0, begin)
                self._counts[at] += begin - end
                begin = end
                if not begin:
                    break
            self._sum += (len(moments) * now - sum(moments)) / 1000

    def all(self) -> Distribution:
        """Returns the numbers of now."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        below, buckets = 0, []
        for bound, count in zip(self._bounds, counts, strict=True):
            below += count
            buckets.append((bound, below))
        return Distribution(tuple(buckets), total)


class ReaderTally:
    """Holds what this process has counted for one durable reader. Thread-safe."""

    def __init__(self) -> None:
        self.handled = Counts("ok", "failed", "parked")
        """Records by what came of them: done; a failed attempt; put aside."""
        self.handle_seconds = Histogram()
        """How long a program's handler took for a record that it did."""
        self.sent = Counts()
        """Records that a sink has acknowledged, by their topic."""
        self.delivery_seconds = Histogram()
        """From when a message was made until it was acknowledged, by the clocks of two machines."""
        self.publish_seconds = Histogram()
        """From when a record was given to the target until it was acknowledged."""
        self.batch_messages = Histogram(MESSAGES)
        """How many records were given to the target at a time."""
        self.retries = Counts()
        """Tries that failed and are made again, by the error's name."""
        self.state = "starting"
        """What the reader does: starting, standby, working, paused or stopped."""
        self.trouble = ""
        """Why it cannot go on just now, and tries again; "" when it can."""


class Tally:
    """Holds what this process has counted for one outbox. Thread-safe."""

    def __init__(self) -> None:
        self.put = Counts()
        """Messages put, by type; those of transactions that abort later, too."""
        self.held_seconds = Counts()
        """How long this process, as the sequencer, waited for each reader."""
        self._readers: dict[str, ReaderTally] = defaultdict(ReaderTally)
        self._lock = threading.Lock()

    def reader(self, id: str) -> ReaderTally:
        """Returns what is counted for the durable reader of this id, such as `relay:kafka`."""
        with self._lock:
            return self._readers[id]

    def readers(self) -> dict[str, ReaderTally]:
        """Returns what is counted for each reader that runs, or ran, in this process, or that it asked for."""
        with self._lock:
            return dict(self._readers)

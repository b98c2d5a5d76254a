"""A benchmark: the same work by this project and by the bare driver, in turns, several times over."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Figures = dict[str, float]
"""What one run came to, by metric: `messages/s`, `resident MiB`, `… p50 ms`."""


class Benchmark(Protocol):
    """Two ways of doing the same work. A run prepares its own data, and times the work alone."""

    @property
    def name(self) -> str:
        """As `--only` takes it."""

    @property
    def bare_is(self) -> str:
        """What the bare driver does, in a few words."""

    def ours(self) -> Figures: ...

    def bare(self) -> Figures:
        """The same metrics as `ours`, which was run just before."""


class Spread(NamedTuple):
    """Several figures of one kind."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Measurement:
    """One metric of one benchmark, a figure a round."""

    benchmark: str
    metric: str
    bare_is: str
    ours: Sequence[float]
    bare: Sequence[float]

    @property
    def ratio(self) -> Sequence[float]:
        """Ours to bare, round by round: what slows the machine down for a while slows down both."""
        return [ours / bare for ours, bare in zip(self.ours, self.bare, strict=True)]


def measure(benchmark: Benchmark, rounds: int) -> list[Measurement]:
    """Runs ours and the bare one in turns; whatever a run raises is raised."""
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(benchmark.ours())
        bare.append(benchmark.bare())
    return [
        Measurement(
            benchmark.name,
            metric,
            benchmark.bare_is,
            [figures[metric] for figures in ours],
            [figures[metric] for figures in bare],
        )
        for metric in ours[0]
    ]


def throughput(count: int, work: Callable[[], object]) -> Figures:
    """The rate at which `work` does `count` messages."""
    started = time.perf_counter()
    work()
    return {"messages/s": count / (time.perf_counter() - started)}

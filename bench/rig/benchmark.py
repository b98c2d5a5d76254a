"""A benchmark: the same work by this project and by the bare driver, several times over."""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Figures = dict[str, float]
"""What one run came to, by metric: `messages/s`, `resident MiB`, `… p50 ms`."""


class Round(NamedTuple):
    """Each way once. What only ours has is compared with nothing."""

    ours: Figures
    bare: Figures
    ratio: Figures
    """Ours to bare: what slows the machine down for a while slows down both."""


class Benchmark(Protocol):
    """A round prepares its own data, and times the work alone."""

    @property
    def bare_is(self) -> str | None:
        """What the bare driver does, in a few words; None when there is nothing to compare with."""

    def round(self) -> Round:
        """The same metrics each time; whatever goes wrong is raised."""


class InTurns(ABC):
    """Ours as a whole, then the bare one as a whole."""

    bare_is: str | None

    @abstractmethod
    def ours(self) -> Figures: ...

    @abstractmethod
    def bare(self) -> Figures:
        """Metrics among those of `ours`, which was run just before."""

    def round(self) -> Round:
        ours, bare = self.ours(), self.bare()
        return Round(ours, bare, {metric: ours[metric] / value for metric, value in bare.items() if value})


class Alone(ABC):
    """Ours, with nothing beside it."""

    bare_is: str | None = None

    @abstractmethod
    def ours(self) -> Figures: ...

    def round(self) -> Round:
        return Round(self.ours(), {}, {})


def pairs(metric: str, count: int, ours: Callable[[int], object], bare: Callable[[int], object]) -> Round:
    """Both ways by turns, `count` times each, whoever begins; milliseconds of the median one, and of the median pair
    the ratio: the two of a pair are milliseconds apart, and what the machine does in longer strides hits both."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(count):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            started = time.perf_counter()
            (ours, bare)[which](number)
            took[which].append(1000 * (time.perf_counter() - started))
    ratio = statistics.median(mine / other for mine, other in zip(*took, strict=True))
    return Round({metric: statistics.median(took[0])}, {metric: statistics.median(took[1])}, {metric: ratio})


class Spread(NamedTuple):
    """Several figures of one kind."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Measurement:
    """One benchmark, a figure a round by metric; `bare` and `ratio` have those that were compared."""

    name: str
    bare_is: str | None
    ours: Mapping[str, Sequence[float]]
    bare: Mapping[str, Sequence[float]]
    ratio: Mapping[str, Sequence[float]]


def measure(name: str, benchmark: Benchmark, rounds: int) -> Measurement:
    """Runs it so often; whatever a run raises is raised."""
    done = [benchmark.round() for _ in range(rounds)]

    def by_metric(which: Callable[[Round], Figures]) -> dict[str, list[float]]:
        return {metric: [which(each)[metric] for each in done] for metric in which(done[0])}

    return Measurement(
        name,
        benchmark.bare_is,
        by_metric(lambda each: each.ours),
        by_metric(lambda each: each.bare),
        by_metric(lambda each: each.ratio),
    )


def throughput(count: int, work: Callable[[], object]) -> Figures:
    """The rate at which `work` does `count` messages."""
    started = time.perf_counter()
    work()
    return {"messages/s": count / (time.perf_counter() - started)}

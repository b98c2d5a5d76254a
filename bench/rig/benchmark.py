"""A benchmark: the same work by this project and by the bare driver, several times over."""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Figures = dict[str, float]
"""The figures of one run, by metric: `messages/s`, `resident MiB`, `… p50 ms`."""


class Round(NamedTuple):
    """One run of each way. A metric that only ours has is not compared."""

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
        """Runs both ways once. Has the same metrics each time; raises whatever goes wrong."""


class InTurns(ABC):
    """Runs all of ours, then all of the bare one."""

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
    """Runs ours only."""

    bare_is: str | None = None

    @abstractmethod
    def ours(self) -> Figures: ...

    def round(self) -> Round:
        return Round(self.ours(), {}, {})


def pairs(metric: str, count: int, ours: Callable[[int], object], bare: Callable[[int], object]) -> Round:
    """Runs both ways in turns, `count` times each. Gives the milliseconds of the median run, and the median ratio of a
    pair: its two runs are milliseconds apart, so what slows down the machine for longer slows down both."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(count):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            started = time.perf_counter()
            (ours, bare)[which](number)
            took[which].append(1000 * (time.perf_counter() - started))
    return paired(metric, *took)


def paired(metric: str, ours: Sequence[float], bare: Sequence[float]) -> Round:
    """Compares milliseconds that were taken in turns: the medians, and the median ratio of a pair."""
    ratio = statistics.median(mine / other for mine, other in zip(ours, bare, strict=True))
    return Round({metric: statistics.median(ours)}, {metric: statistics.median(bare)}, {metric: ratio})


class Spread(NamedTuple):
    """The median and the range of several figures."""

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
    """Runs a benchmark so many times; raises whatever a run raises."""
    done = [benchmark.round() for _ in range(rounds)]

    def by_metric(which: Callable[[Round], Figures]) -> dict[str, list[float]]:
        return {metric: [which(one)[metric] for one in done] for metric in which(done[0])}

    return Measurement(
        name,
        benchmark.bare_is,
        by_metric(lambda one: one.ours),
        by_metric(lambda one: one.bare),
        by_metric(lambda one: one.ratio),
    )


def throughput(count: int, work: Callable[[], object]) -> Figures:
    """Times `work`, which handles `count` messages."""
    started = time.perf_counter()
    work()
    return {"messages/s": count / (time.perf_counter() - started)}


def cpu_timed(count: int, work: Callable[[], object]) -> Figures:
    """Times `work`, which handles `count` records, and counts the CPU of this process."""
    began, used = time.perf_counter(), time.process_time()
    work()
    cpu = time.process_time() - used
    return {"records/s": count / (time.perf_counter() - began), "CPU µs/record": 1e6 * cpu / count}

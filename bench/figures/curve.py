"""A curve: the same work at growing sizes, its time, rate and memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

from bench.figures.archive import Entry
from bench.figures.growth import is_flat, no_worse, power


class Point(NamedTuple):
    """One measurement on a curve."""

    x: float
    seconds: float
    """Of the work that belongs to this x."""
    rate: float
    """As `rate_is` says, a second."""
    resident_mib: float | None
    """The peak of the process that did it; None where that cannot be told."""


@dataclass(frozen=True)
class Axes:
    """What a curve is of."""

    x_is: str
    rate_is: str
    seconds_are: str
    """Of what work `seconds` is."""
    at_most: int
    """The power of x by which seconds may grow: 1 for work in proportion to x, 0 for work that x should not touch."""


class Curve(Protocol):
    @property
    def axes(self) -> Axes: ...

    @property
    def points(self) -> Sequence[int]:
        """The x to measure at, from the least."""

    def why_not(self, x: int) -> str | None:
        """Says why it cannot be measured at x, in a few words; None when it can."""

    def measure(self, x: int) -> Point: ...


class Missing(NamedTuple):
    """A point that was not measured."""

    x: int
    why: str


def points(curve: Curve, most: int | None) -> Iterator[Point | Missing]:
    """The first `most` of them (None: all), each as it is done."""
    for x in curve.points[:most]:
        why = curve.why_not(x)
        yield curve.measure(x) if why is None else Missing(x, why)


def entry(curve: Curve, results: Sequence[Point | Missing], about: Mapping[str, Any]) -> Entry:
    """Makes the curve's entry for the archive, with its verdicts: `no_worse_than_it_may`, `memory_is_flat`."""
    measured = [point for point in results if isinstance(point, Point)]
    grows = power([point.x for point in measured], [point.seconds for point in measured])
    memory = [point.resident_mib for point in measured if point.resident_mib is not None]
    return {
        **asdict(curve.axes),
        "points": [point._asdict() for point in measured],
        "missing": [point._asdict() for point in results if isinstance(point, Missing)],
        "power": grows,
        "no_worse_than_it_may": no_worse(grows, curve.axes.at_most),
        "memory_is_flat": is_flat(memory),
        **about,
    }

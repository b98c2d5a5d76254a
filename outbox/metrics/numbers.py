"""Holds the numbers of one moment by the names that they are exposed under, whatever exposes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from outbox.counting.tally import Distribution


@dataclass(frozen=True)
class Family:
    """Says what a metric is."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


class Numbers:
    """Holds the values of some families, by their labels' values. Not thread-safe."""

    def __init__(self, families: Iterable[Family]) -> None:
        self.families = {family.name: family for family in families}
        self.values: dict[str, dict[tuple[str, ...], float | Distribution]] = {name: {} for name in self.families}

    def set(self, name: str, value: float | Distribution, *labels: str) -> None:
        """Sets the value that a metric has with these values of its labels."""
        assert len(labels) == len(self.families[name].labels), name
        self.values[name][labels] = value

    def add_all(self, name: str, counts: Mapping[str, float], *labels: str) -> None:
        """Adds to several values, by what the last label is: an outbox that is open twice has counted twice."""
        for last, count in counts.items():
            before = self.values[name].get((*labels, last), 0)
            assert not isinstance(before, Distribution)
            self.set(name, before + count, *labels, last)

    def set_all(self, name: str, counts: Mapping[str, float], *labels: str) -> None:
        """Sets several values, by what the last label is."""
        for last, value in counts.items():
            self.set(name, value, *labels, last)

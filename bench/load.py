"""How much is measured, and with what messages."""

from __future__ import annotations

from dataclasses import dataclass

from bench.messages import Sent, note, order

PARTITIONS = 3
"""Of each topic."""


@dataclass(frozen=True)
class Load:
    """`messages` is the backlog of the throughput benchmarks; the slower ones take a part of it."""

    messages: int
    size: int
    """Of a staged document, in bytes."""
    flat: bool = False
    """One long text instead of an order with its lines."""

    @property
    def capacity(self) -> int:
        """A log that holds all of it, in bytes."""
        return max(128 << 20, 2 * self.messages * self.size)

    def part(self, divisor: int) -> int:
        return max(1, self.messages // divisor)

    def message(self, number: int) -> Sent:
        return note(number, self.size) if self.flat else order(number, self.size)

    def some(self, count: int) -> list[Sent]:
        """The first `count` messages."""
        return [self.message(number) for number in range(count)]

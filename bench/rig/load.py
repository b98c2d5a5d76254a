"""How much is measured, and with what messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Self

from bson.raw_bson import RawBSONDocument

from bench.rig.messages import NOTE_BYTES, Sent, note, order, renewed, staged

PARTITIONS = 3
"""The partitions of a topic."""
DIFFERENT = 1000
"""How many different messages are staged or produced in turn: to make each one anew would take longer than the work."""
_DIFFERENT_BYTES = 32 << 20


@dataclass(frozen=True)
class Load:
    """`messages` is the backlog of the throughput benchmarks; the slower ones take a part of it."""

    messages: int
    size: int
    """Bytes of a staged document."""
    flat: bool = False
    """One long text instead of an order with its lines."""

    @classmethod
    def of_value(cls, messages: int, size: int) -> Self:
        """Makes a load whose messages have a Kafka value of about `size` bytes (some 60 at least)."""
        return cls(messages, size + NOTE_BYTES, flat=True)

    @property
    def capacity(self) -> int:
        """A log that holds all of it, in bytes."""
        return max(128 << 20, 2 * self.messages * self.size)

    def part(self, divisor: int) -> int:
        return max(1, self.messages // divisor)

    def message(self, number: int) -> Sent:
        return note(number, self.size) if self.flat else order(number, self.size)

    def documents(self, count: int) -> Iterator[RawBSONDocument]:
        """Yields so many staging documents with different ids."""
        made = _made(self)
        for number in range(count):
            yield RawBSONDocument(renewed(made[number % len(made)]))

    def some(self, count: int) -> list[Sent]:
        """The first `count` messages."""
        return [self.message(number) for number in range(count)]


@cache
def _made(load: Load) -> list[bytes]:
    different = max(1, min(load.messages, DIFFERENT, _DIFFERENT_BYTES // load.size))
    return [staged(load.message(number)) for number in range(different)]

"""Records up to a last one, which may be in the middle of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from outbox.delivery.read_ahead import ReadAhead
from outbox.log.batch import Batch
from outbox.testing import FakeClock
from relay.replay.range_reader import RangeReader
from tests.doubles.batches import batch_of, record


class Batches:
    """Reads batches of five records each, one at a time, without an end."""

    def __init__(self) -> None:
        self.position = 1
        self.waited = 0.0

    def read_batches(self) -> Sequence[Batch]:
        first = (self.position - 1) // 5 * 5 + 1
        found = batch_of(*[record({}) for _ in range(5)], first=first)._replace(skip=self.position - first)
        self.position = found.last + 1
        return [found]

    def wait(self, seconds: float) -> bool:
        self.waited += seconds
        return True

    def move(self, position: int) -> None:
        self.position = position


def ranged(last: int) -> tuple[RangeReader, Batches, FakeClock]:
    source, clock = Batches(), FakeClock()
    return RangeReader(cast(ReadAhead, source), last, clock), source, clock


def read(reader: RangeReader) -> list[int]:
    seqs: list[int] = []
    while batches := reader.read_batches():
        found = [each.seq for batch in batches for each in batch.records()]
        assert sum(batch.gives for batch in batches) == len(found)
        seqs += found
    return seqs


@pytest.mark.parametrize("last", [1, 4, 5, 6, 12])
def test_it_ends_with_the_last_record_also_within_a_batch(last: int) -> None:
    assert read(ranged(last)[0]) == list(range(1, last + 1))


def test_it_begins_within_a_batch_and_ends_within_the_same() -> None:
    reader, _, _ = ranged(4)
    reader.move(3)

    assert read(reader) == [3, 4]


def test_it_goes_back_when_it_is_told_to() -> None:
    reader, _, _ = ranged(7)
    read(reader)

    reader.move(6)

    assert read(reader) == [6, 7]


def test_a_whole_batch_is_given_as_it_is_for_who_encodes_it_undecoded() -> None:
    found: list[Any] = list(ranged(7)[0].read_batches())

    assert isinstance(found[0], Batch)


def test_it_waits_for_more_only_before_the_end() -> None:
    reader, source, clock = ranged(3)
    assert reader.wait(0.5)
    read(reader)

    assert not reader.wait(2.0)
    assert (source.waited, clock.monotonic()) == (0.5, 2.0)

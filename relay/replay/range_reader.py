"""Reads records up to a last one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from outbox.clock import Clock
from outbox.delivery.ports import RecordBatch
from outbox.delivery.read_ahead import ReadAhead
from outbox.log.batch import Batch
from outbox.log.record import Record


class RangeReader:
    """Is BatchReader: the records of `source` up to the seq `last`. Not thread-safe.

    After those it reads nothing more; `clock` is what its `wait` goes by then.
    """

    def __init__(self, source: ReadAhead, last: int, clock: Clock) -> None:
        self._source = source
        self._last = last
        self._clock = clock
        self._is_done = False

    def read_batches(self) -> Sequence[RecordBatch]:
        """See BatchReader. A batch that goes beyond the last record is given in part."""
        if self._is_done:
            return []
        return list(self._within(self._source.read_batches()))

    def _within(self, batches: Sequence[Batch]) -> Iterator[RecordBatch]:
        for batch in batches:
            yield batch if batch.last <= self._last else _Beginning(batch, self._last)
            if batch.last >= self._last:
                self._is_done = True
                return

    def wait(self, seconds: float) -> bool:
        """See BatchReader."""
        if not self._is_done:
            return self._source.wait(seconds)
        self._clock.wait(seconds)
        return False

    def move(self, position: int) -> None:
        """See BatchReader."""
        self._source.move(position)
        self._is_done = position > self._last


class _Beginning:
    """Is RecordBatch: the records of a batch up to the seq `last`."""

    def __init__(self, batch: Batch, last: int) -> None:
        self._batch = batch
        self._last = last

    @property
    def gives(self) -> int:
        return self._last - (self._batch.last - self._batch.gives)

    def records(self) -> Sequence[Record[Any]]:
        return list(takewhile(lambda record: record.seq <= self._last, self._batch.records()))

"""Reads ahead: while one read of the log is encoded and sent, the next is under way on a thread of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from outbox.clock import SystemClock
from outbox.delivery.ports import LogBatchReader
from outbox.log.batch import Batch
from outbox.threads.workers import Workers

_MACHINE = SystemClock()
BACKLOG = 100
"""A read with so many records is followed by one ahead. Near the head a second thread would only cost time."""


class ReadAhead:
    """Reads from `source`, one read ahead, never more. Use it from one thread; close it.

    What a read ahead raises is raised by the `read_batches` that would return its records.
    """

    def __init__(self, source: LogBatchReader) -> None:
        self._source = source
        self._thread = Workers(1, "relay-reader")
        self._ahead: Future[Sequence[Batch]] | None = None

    @property
    def identity(self) -> str:
        """See LogReader.identity."""
        return self._source.identity

    def read_batches(self) -> Sequence[Batch]:
        """See LogReader.read_batches."""
        ahead, self._ahead = self._ahead, None
        batches = self._source.read_batches() if ahead is None else ahead.result()
        if batches and batches[-1].last - batches[0].first >= BACKLOG:
            self._ahead = self._thread.submit(self._source.read_batches)
        return batches

    def wait(self, seconds: float) -> bool:
        """See LogReader.wait."""
        if self._ahead is None:
            return self._source.wait(seconds)
        _MACHINE.wait(seconds)  # the source is being read, so the caller waits for something else
        return True

    def wake(self) -> None:
        """See LogReader.wake."""
        self._source.wake()

    def move(self, position: int) -> None:
        """Goes on from the seq `position`; drops what was read ahead."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.exception()  # waits; an error of a read that is dropped concerns nobody
        self._source.move(position)

    def close(self) -> None:
        """Waits for a read under way, which is bounded in time, and closes the source."""
        self._thread.shutdown()
        self._source.close()

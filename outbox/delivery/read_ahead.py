"""Reading ahead: while one read of the log is encoded and sent, the next is under way on a thread of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from outbox.clock import SystemClock
from outbox.delivery.ports import LogBatchReader
from outbox.log.batch import Batch
from outbox.threads.workers import Workers

_MACHINE = SystemClock()
BACKLOG = 100
"""Records of a read from which on there is likely more. At the head a second thread would only get in the way."""


class ReadAhead:
    """A reader that is one read of `source` ahead, never more. To be used from one thread; close it.

    What the read under way raises is raised by the `read_batches` whose turn it is.
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
        found = self._source.read_batches() if ahead is None else ahead.result()
        if found and found[-1].last - found[0].first >= BACKLOG:
            self._ahead = self._thread.submit(self._source.read_batches)
        return found

    def wait(self, seconds: float) -> bool:
        """See LogReader.wait."""
        if self._ahead is None:
            return self._source.wait(seconds)
        _MACHINE.wait(seconds)  # the source is being read; whoever waits now waits for something else
        return True

    def move(self, position: int) -> None:
        """Goes on from another seq; what was read ahead is dropped."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.exception()  # waits; an error of what is not wanted any more is nobody's
        self._source.move(position)

    def close(self) -> None:
        """Waits for a read under way, which is bounded in time, and closes the source."""
        self._thread.shutdown()
        self._source.close()

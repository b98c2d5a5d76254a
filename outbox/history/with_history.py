"""An outbox for a durable reader that begins with what an archive has."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from outbox.delivery.ports import OpenOutbox
from outbox.history.history_log import HistoryLog
from outbox.history.reader import BatchedHistory, Part
from outbox.mongo.collections import Collections
from outbox.mongo.lease import SECONDS
from outbox.readers.query import History
from outbox.readers.reader import LogReader
from outbox.readers.start import Start, resolve
from outbox.sequencer.change_stream import AWAIT_SECONDS


def with_history(outbox: OpenOutbox, history: History | None) -> OpenOutbox:
    """Returns the outbox for a durable reader; one that begins with `history`, if there is any."""
    return outbox if history is None else WithHistory(outbox, history)


class WithHistory:
    """Is OpenOutbox: the same outbox, whose log is continued backwards by an archive."""

    def __init__(self, outbox: OpenOutbox, history: History) -> None:
        self._outbox = outbox
        self._history = history
        self.log = HistoryLog(outbox.collections, history)

    @property
    def name(self) -> str:
        return self._outbox.name

    @property
    def collections(self) -> Collections:
        return self._outbox.collections

    def check_usable(self) -> None:
        self._outbox.check_usable()

    def reader(self, start: Start = "earliest", part: Part | None = None) -> BatchedHistory:
        reader = self._outbox.reader()
        assert isinstance(reader, LogReader)
        reader.move(resolve(start, self.log))
        return BatchedHistory(self._history, self.log, reader, part)

    def running(self, await_seconds: float = AWAIT_SECONDS, lease: float = SECONDS) -> AbstractContextManager[Any]:
        return self._outbox.running(await_seconds, lease)

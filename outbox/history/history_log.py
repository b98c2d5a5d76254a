"""The log, with what it has forgotten and an archive has."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pymongo.client_session import ClientSession

from outbox.errors import LogReplaced
from outbox.log.log import Log
from outbox.log.record import Record
from outbox.mongo.collections import Collections
from outbox.readers.query import History


class HistoryLog(Log):
    """The log together with what it has forgotten and an archive has. See Log."""

    def __init__(self, collections: Collections, history: History) -> None:
        super().__init__(collections)
        self._history = history

    def oldest(self, session: ClientSession | None = None) -> int:
        """See Log."""
        return self._since(super().oldest(session))

    def earliest(self, session: ClientSession | None = None) -> int:
        """See Log."""
        return self._since(super().earliest(session))

    def _since(self, first: int) -> int:
        """Returns the archive's oldest seq, if nothing is missing between it and the log."""
        oldest = self._history.oldest
        return oldest if oldest < first <= self._history.head + 1 else first

    def record_at(self, seq: int, session: ClientSession | None = None) -> Record[Any] | None:
        """See Log."""
        found = super().record_at(seq, session)
        if found is None and self._history.oldest <= seq <= self._history.head:
            return next(self._history.read(seq, seq), None)
        return found

    def seq_at(self, date: datetime) -> int:
        """See Log."""
        first = super().earliest()
        if self._since(first) < first:
            found = next(self._history.read(date), None)
            if found is not None and found.seq < first:
                return found.seq
        return super().seq_at(date)

    def check(self) -> None:
        """Raises LogReplaced when the archive is of another log, as its newest record tells while the log has it."""
        newest = self._history.position()
        if newest is None:
            return
        found = super().record_at(newest[0])
        if found is not None and found.id != newest[2]:
            raise LogReplaced(
                f"{self._history!r} is of another log: at seq {newest[0]} it has {newest[2]}, and the log {found.id}"
            )

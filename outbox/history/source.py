"""Where subscriptions read: the log, and before it an archive, for those that ask for one."""

from __future__ import annotations

from dataclasses import replace

from outbox.history.history_log import HistoryLog
from outbox.history.reader import HistoryReader
from outbox.readers.head import Head
from outbox.readers.query import Query, SeqReader, first_position, open_reader
from outbox.readers.source import LogSource


class HistorySource(LogSource):
    """Is a Source: LogSource, for a query with a history, too."""

    def _open(self, query: Query, head: Head | None) -> SeqReader:
        if query.history is None:
            return super()._open(query, head)
        log = HistoryLog(self._collections, query.history)
        first = replace(query, pinned=first_position(query, log))
        return HistoryReader(query.history, log, open_reader(self._collections, first, self._decode, head))

"""Where subscriptions read: the log, and before it an archive, for those that ask for one."""

from __future__ import annotations

from dataclasses import replace

from outbox.history.history_log import HistoryLog
from outbox.history.reader import HistoryReader
from outbox.log.record import Decode
from outbox.mongo.collections import Collections
from outbox.readers.head import Head
from outbox.readers.query import Query, SeqReader, first_position, open_reader
from outbox.readers.reader import LogReader
from outbox.readers.source import LogSource


class HistorySource(LogSource):
    """Is a Source: LogSource, for a query with a history, too."""

    def _open(self, query: Query, head: Head | None) -> SeqReader:
        return open_history(self._collections, query, self._decode, head)


def open_history(
    collections: Collections, query: Query, decode: Decode, head: Head | None
) -> LogReader | HistoryReader:
    """Opens a reader as `open_reader`; of a query with a history one that reads that, too. Raises as `open_reader`."""
    if query.history is None:
        return open_reader(collections, query, decode, head)
    log = HistoryLog(collections, query.history)
    first = replace(query, pinned=first_position(query, log))
    return HistoryReader(query.history, log, open_reader(collections, first, decode, head))

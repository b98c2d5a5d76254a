"""Where subscriptions read: the log, and before it an archive, for those that ask for one."""

from __future__ import annotations

from dataclasses import replace

from outbox.history.history_log import HistoryLog
from outbox.history.reader import BatchedHistory, ChosenHistory
from outbox.log.record import Decode
from outbox.mongo.collections import Collections
from outbox.readers.head import Head
from outbox.readers.query import History, Query, SeqReader, first_position, open_reader
from outbox.readers.reader import LogReader
from outbox.readers.source import LogSource


class HistorySource(LogSource):
    """Is a Source: LogSource, for a query with a history, too."""

    def _open(self, query: Query, head: Head | None) -> SeqReader:
        return open_history(self._collections, query, self._decode, head)


def open_history(
    collections: Collections, query: Query, decode: Decode, head: Head | None
) -> LogReader | ChosenHistory:
    """Opens a reader as `open_reader`; of a query with a history one that reads that, too, and of it what is asked for
    alone. Raises as `open_reader`."""
    if query.history is None:
        return open_reader(collections, query, decode, head)
    return ChosenHistory(query, *_opened(collections, query, query.history, decode, head))


def open_batches(collections: Collections, query: Query, decode: Decode) -> LogReader | BatchedHistory:
    """Opens the same, for who needs whole batches as the log has them, also of what is not asked for."""
    if query.history is None:
        return open_reader(collections, query, decode, None)
    return BatchedHistory(*_opened(collections, query, query.history, decode, None))


def _opened(
    collections: Collections, query: Query, history: History, decode: Decode, head: Head | None
) -> tuple[History, HistoryLog, LogReader]:
    log = HistoryLog(collections, history)
    first = replace(query, pinned=first_position(query, log))
    return history, log, open_reader(collections, first, decode, head)

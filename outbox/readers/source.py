"""Where subscriptions read: the log on a server here, one in memory in outbox.testing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from outbox.log.record import Decode
from outbox.mongo.collections import Collections
from outbox.readers.background import BackgroundThreads
from outbox.readers.head import Head
from outbox.readers.query import Query, SeqReader, open_reader, pinned

OpenReader = Callable[[Query], SeqReader]
"""Opens a reader where a query starts. Raises InvalidStart, HistoryLost, OutboxNotCreated and pymongo's errors."""


class Source(Protocol):
    """Where subscriptions read: a log on a server, or one in memory. Thread-safe."""

    name: str
    """The outbox's, for its threads."""
    where: str
    """The log, for people."""

    def pinned(self, query: Query) -> Query:
        """Resolves 'latest' to the seq that it means now, if that can be known."""

    def open(self, query: Query) -> SeqReader:
        """Is an OpenReader of readers that nothing wakes."""

    def running(self) -> AbstractContextManager[OpenReader]:
        """Keeps awake, inside the `with`, the readers that its OpenReader opens."""

    def wake(self) -> None:
        """Ends the waits of those readers."""


class LogSource:
    """Is a Source: the log of these collections, whose readers are woken by the tail of `feed`."""

    def __init__(self, collections: Collections, feed: BackgroundThreads, decode: Decode) -> None:
        self.name = collections.name
        self.where = collections.log.full_name
        self._collections = collections
        self._feed = feed
        self._decode = decode

    def pinned(self, query: Query) -> Query:
        """See Source."""
        return pinned(self._collections, query)

    def open(self, query: Query) -> SeqReader:
        """See Source."""
        return self._open(query, None)

    def _open(self, query: Query, head: Head | None) -> SeqReader:
        return open_reader(self._collections, query, self._decode, head)

    @contextmanager
    def running(self) -> Iterator[OpenReader]:
        """See Source."""
        with self._feed.running() as head:
            yield lambda query: self._open(query, head)

    def wake(self) -> None:
        """See Source."""
        self._feed.wake()

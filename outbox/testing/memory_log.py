"""A log in memory: the same record batches as on a server, packed and read by the same code."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from bson import ObjectId

from outbox import dates
from outbox.errors import HistoryLost, NotInMemory
from outbox.log.batch import Batch
from outbox.log.position import Position
from outbox.log.record import Decode, Record, moment
from outbox.readers.query import Query, first_position
from outbox.readers.selection import warn_of_undeclared
from outbox.readers.source import OpenReader
from outbox.sequencer import packing
from outbox.staging.document import Staged

_READ_BATCHES = 100


class MemoryLog:
    """Holds the records of an outbox in memory, and numbers them. Thread-safe."""

    def __init__(self, where: str) -> None:
        self.where = where
        """For people."""
        self.changed = threading.Condition(threading.RLock())
        """Guards all that an outbox in memory keeps, and tells who waits that it has changed."""
        self._batches: list[Batch] = []
        self._oldest = 1
        self._created = 0

    def append(self, messages: Sequence[Staged]) -> None:
        """Numbers the messages, in their order. `created` never decreases: a message with an older date gets the
        newest one's."""
        with self.changed:
            created = []
            for each in messages:
                self._created = max(self._created, each.created)
                created.append(self._created)
            packed = packing.pack(messages, created, self.head() + 1, 1, self._oldest, ())
            self._batches.extend(each.batch for each in packed)
            self.changed.notify_all()

    def roll_over(self, before: int) -> None:
        """Drops the records before this seq, but never the newest."""
        with self.changed:
            self._oldest = max(self._oldest, min(before, self.head()))
            del self._batches[: bisect_left(self._batches, self._oldest, key=_last)]

    def head(self) -> int:
        """Returns the newest seq; 0 when nothing was ever appended."""
        with self.changed:
            return self._batches[-1].last if self._batches else 0

    def earliest(self) -> int:
        """Returns the oldest seq that it holds; 1 when nothing was ever appended."""
        return self._oldest

    oldest = earliest  # nothing here is rolled over by itself

    def seq_at(self, date: datetime) -> int:
        """Returns the first seq with `created` >= `date` (naive means UTC); head + 1 when there is none yet."""
        wanted = dates.aware(date)
        with self.changed:
            heads = [head for batch in self._from(self._oldest) for head in batch.heads()]
            return self._oldest + bisect_left(heads, wanted, key=lambda head: moment(head[2]))

    def records(self, decode: Decode | None = None) -> list[Record[Any]]:
        """Returns all that it holds."""
        with self.changed:
            return [record for batch in self._from(self._oldest) for record in batch.records(decode)]

    def record_of(self, id: ObjectId) -> Record[Any] | None:
        """Finds a message by its id."""
        return next((record for record in self.records() if record.id == id), None)

    def position_at(self, seq: int) -> Position:
        """Returns the position just after record `seq`; without its date and id if it does not hold that."""
        with self.changed:
            if not self._oldest <= seq <= self.head():
                return seq, None, None
            record = self._from(seq)[0].record(seq)
            return seq, record.created, record.id

    def batches_from(self, position: int) -> list[Batch]:
        """Returns some batches from this seq on. Raises HistoryLost when it was rolled over."""
        with self.changed:
            if position < self._oldest:
                raise HistoryLost(position, self._oldest)
            return self._from(position)[:_READ_BATCHES]

    def _from(self, seq: int) -> list[Batch]:
        at = bisect_left(self._batches, seq, key=_last)
        batches = self._batches[at:]
        if batches and batches[0].first < seq:
            batches[0] = batches[0]._replace(skip=seq - batches[0].first)
        return batches

    def wake(self) -> None:
        """Lets whoever waits look again."""
        with self.changed:
            self.changed.notify_all()


def _last(batch: Batch) -> int:
    return batch.last


class MemoryReader:
    """Reads from `position` on, as outbox.readers.reader.LogReader. Not thread-safe."""

    def __init__(self, log: MemoryLog, position: int) -> None:
        self.position = position
        self._log = log

    def read_batches(self) -> list[Batch]:
        """See LogReader.read_batches."""
        batches = self._log.batches_from(self.position)
        if batches:
            self.position = batches[-1].last + 1
        return batches

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """See LogReader.wait."""
        with self._log.changed:
            self._log.changed.wait_for(lambda: self._has_more() or (stop is not None and stop.is_set()), seconds)
            return self._has_more()

    def _has_more(self) -> bool:
        return self._log.head() >= self.position

    def move(self, position: int) -> None:
        """See LogReader.move."""
        self.position = position

    def verify(self) -> None:
        """Is always this very log."""

    def close(self) -> None:
        """Holds nothing."""


class MemorySource:
    """Is outbox.readers.source.Source of a log in memory."""

    def __init__(self, log: MemoryLog, name: str, declared: Sequence[str]) -> None:
        self.name = name
        self.where = log.where
        self._log = log
        self._declared = declared

    def pinned(self, query: Query) -> Query:
        """See Source."""
        if query.history is not None:
            raise NotInMemory("archive= is not in memory: read an Outbox")
        return replace(query, pinned=self._log.head() + 1) if query.start == "latest" else query

    def open(self, query: Query) -> MemoryReader:
        """See Source."""
        if query.unknown:
            warn_of_undeclared(query.unknown, self._declared, self.where)
        return MemoryReader(self._log, first_position(query, self._log))

    @contextmanager
    def running(self) -> Iterator[OpenReader]:
        """See Source."""
        yield self.open

    def wake(self) -> None:
        """See Source."""
        self._log.wake()

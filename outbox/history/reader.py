"""Reads what the log has forgotten from an archive, and then the log."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import bson

from outbox.errors import HistoryLost
from outbox.history.history_log import HistoryLog
from outbox.log import batch
from outbox.log.batch import MAX_BYTES, MAX_RECORDS, PORTION, Batch
from outbox.log.record import Decode, Record
from outbox.mongo.codec import DECODED
from outbox.readers.head import Head
from outbox.readers.query import History, Query
from outbox.readers.reader import LogReader
from outbox.readers.recent import Recent

B = TypeVar("B")
A = TypeVar("A")


@dataclass(frozen=True)
class Archived:
    """Is outbox.readers.query.Portions: records of an archive, of those that were asked for."""

    found: list[Record[Any]]

    @property
    def gives(self) -> int:
        """See Portions."""
        return len(self.found)

    def portions(self, decode: Decode) -> Iterator[list[Record[Any]]]:
        """See Portions."""
        yield [record.decoded_by(decode) for record in self.found]


class HistoryReader(ABC, Generic[B, A]):
    """Reads as LogReader, and from an archive what the log does not hold any more. Not thread-safe; close it.

    Where the log has rolled over what comes next, the archive is asked, again and again if need be: so nothing is
    missing between the two, and nothing comes twice. Raises HistoryLost when neither has it.
    """

    def __init__(self, history: History, log: HistoryLog, reader: LogReader) -> None:
        self.position = reader.position
        self.identity = reader.identity
        self._history = history
        self._log = log
        self._reader = reader
        self._archived: Iterator[A] | None = None
        self._end = 0
        """The archive is read up to here, and then the log is asked again."""

    @abstractmethod
    def _read(self, first: int, last: int) -> Iterator[A]:
        """Begins to read the archive."""

    @abstractmethod
    def _next(self, archived: Iterator[A]) -> tuple[B, int] | None:
        """Gives the archive's next records as the log gives its own, and the seq behind them; None at the end."""

    def read_batches(self) -> Sequence[Batch | B]:
        """See LogReader.read_batches."""
        if self._archived is None:
            try:
                batches = self._reader.read_batches()
            except HistoryLost as lost:
                self._begin(lost)
            else:
                self.position = self._reader.position
                return batches
        assert self._archived is not None
        try:
            found = self._next(self._archived)
        except BaseException:
            self.move(self.position)
            raise
        if found is None:
            self.move(self._end + 1)
            return self.read_batches()
        some, self.position = found
        return [some]

    def _begin(self, lost: HistoryLost) -> None:
        self._end = self._history.head
        if not self._history.oldest <= lost.expected <= self._end:
            raise lost
        self._log.check()
        self._archived = self._read(lost.expected, self._end)

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """See LogReader.wait."""
        return self._reader.wait(seconds, stop)

    def wake(self) -> None:
        """See LogReader.wake."""
        self._reader.wake()

    def told(self, recent: Recent) -> list[Batch] | None:
        """See LogReader.told. Always None in the archive: what is read for all is the log alone."""
        if self._archived is not None:
            return None
        batches = self._reader.told(recent)
        self.position = self._reader.position
        return batches

    def follow(self, head: Head) -> None:
        """See LogReader.follow."""
        self._reader.follow(head)

    def rest(self) -> None:
        """See LogReader.rest."""
        self._reader.rest()

    def move(self, position: int) -> None:
        """See LogReader.move."""
        self.position = position
        self._archived = None
        self._reader.move(position)

    def verify(self) -> None:
        """See LogReader.verify."""
        self._reader.verify()

    def close(self) -> None:
        """See LogReader.close."""
        self._archived = None
        self._reader.close()


_Chunk = tuple[int, Iterator[Record[Any]]]


class ChosenHistory(HistoryReader[Archived, _Chunk]):
    """Is HistoryReader for a query: of the archive it reads what that asks for, and parses nothing else.

    It gives something for each chunk, be it no records: so a subscription can end although none that it wants comes.
    """

    def __init__(self, query: Query, history: History, log: HistoryLog, reader: LogReader) -> None:
        super().__init__(history, log, reader)
        self._query = query
        self._chunk: _Chunk = 0, iter(())

    def _read(self, first: int, last: int) -> Iterator[_Chunk]:
        types = None if self._query.types is None else sorted(self._query.types)
        self._chunk = first, iter(())
        return self._history.by_chunks(first, last, types, self._query.key)

    def _next(self, archived: Iterator[_Chunk]) -> tuple[Archived, int] | None:
        found = list(islice(self._chunk[1], PORTION))
        if not found:
            chunk = next(archived, None)
            if chunk is None:
                return None
            self._chunk = chunk
            found = list(islice(chunk[1], PORTION))
        return Archived(found), found[-1].seq + 1 if found else self._chunk[0]


class Part(NamedTuple):
    """Says what is wanted of a history: these types, up to the seq `last`."""

    last: int
    types: Sequence[str]


class BatchedHistory(HistoryReader[Batch, Record[Any]]):
    """Is HistoryReader for a durable reader, whose encoders take batches as the log has them.

    part: of the archive only this is read and parsed, and whole chunks are passed over; but the record at its end is
    given whatever it is, so that whoever counts the seqs gets there. Of the log all is given.
    """

    def __init__(self, history: History, log: HistoryLog, reader: LogReader, part: Part | None = None) -> None:
        super().__init__(history, log, reader)
        self._part = part
        self._held: Record[Any] | None = None
        """What was read, and could not be in one batch with what came before."""

    def read_batches(self) -> list[Batch]:
        """See LogReader.read_batches."""
        return list(super().read_batches())

    def move(self, position: int) -> None:
        """See LogReader.move."""
        self._held = None
        super().move(position)

    def _read(self, first: int, last: int) -> Iterator[Record[Any]]:
        if self._part is None:
            return self._history.read(first, last)
        self._end = min(last, self._part.last)
        return self._wanted(first, self._end, self._part)

    def _wanted(self, first: int, end: int, part: Part) -> Iterator[Record[Any]]:
        newest = 0
        for found in self._history.read(first, end, part.types):
            newest = found.seq
            yield found
        if newest < end:
            yield from self._history.read(end, end)

    def _next(self, archived: Iterator[Record[Any]]) -> tuple[Batch, int] | None:
        records: list[tuple[bytes, bytes]] = []
        first, size = self.position, 0
        while len(records) < MAX_RECORDS and size < MAX_BYTES:
            found, self._held = next(archived, None) if self._held is None else self._held, None
            if found is None:
                break
            if found.seq != first + len(records):
                if self._part is None:
                    raise HistoryLost(first + len(records), found.seq)
                if records:
                    self._held = found
                    break
                first = found.seq  # what lies between is not wanted
            fields = bson.encode(found.stored, codec_options=DECODED)
            records.append(batch.record(found.id_bytes, found.created_ms, fields[4:]))
            size += len(fields)
        if not records:
            return None
        return batch.parse(batch.pack(first, 0, first, records)), first + len(records)

"""Reads what the log has forgotten from an archive, and then the log."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import bson

from outbox.errors import HistoryLost
from outbox.history.history_log import HistoryLog
from outbox.log import batch
from outbox.log.batch import MAX_BYTES, MAX_RECORDS, Batch
from outbox.log.record import Record
from outbox.mongo.codec import DECODED
from outbox.readers.head import Head
from outbox.readers.query import History
from outbox.readers.reader import LogReader
from outbox.readers.recent import Recent


class HistoryReader:
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
        self._archived: Iterator[Record[Any]] | None = None

    def read_batches(self) -> list[Batch]:
        """See LogReader.read_batches."""
        if self._archived is None:
            try:
                batches = self._reader.read_batches()
            except HistoryLost as lost:
                if not self._history.oldest <= lost.expected <= self._history.head:
                    raise
                self._log.check()
                self._archived = self._history.read(lost.expected)
            else:
                self.position = self._reader.position
                return batches
        try:
            archived = self._next(self._archived)
        except BaseException:
            self.move(self.position)
            raise
        if archived is None:
            self.move(self.position)
            return self.read_batches()
        self.position = archived.last + 1
        return [archived]

    def _next(self, archived: Iterator[Record[Any]]) -> Batch | None:
        """Makes a batch as the log has them, of the archive's next records; None at its end."""
        records: list[tuple[bytes, bytes]] = []
        size = 0
        while len(records) < MAX_RECORDS and size < MAX_BYTES:
            found = next(archived, None)
            if found is None:
                break
            if found.seq != self.position + len(records):
                raise HistoryLost(self.position + len(records), found.seq)
            fields = bson.encode(found.stored, codec_options=DECODED)
            records.append(batch.record(found.id_bytes, found.created_ms, fields[4:]))
            size += len(fields)
        return batch.parse(batch.pack(self.position, 0, self.position, records)) if records else None

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

"""Writes the messages of an outbox as lines of text: those of an archive, and each says which outbox it is of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

from outbox.archive.line import Line, chosen, lines
from outbox.archive.missing_extra import orjson
from outbox.archive.span import Span, asked_span
from outbox.errors import ArchiveUnavailable, HistoryLost
from outbox.history.reader import BatchedHistory
from outbox.history.source import open_batches
from outbox.log.batch import Batch
from outbox.log.log import Log
from outbox.messages.message_types import Key, MessageTypes
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import patiently
from outbox.readers.query import History, Query, asked, pass_gap
from outbox.readers.reader import LogReader
from outbox.readers.start import Start


class Export:
    """The messages of an outbox from `start` to `end`, both included; those of these types and this key alone.

    start: "earliest", a seq or a date. end: a seq or a date; None for the newest of the moment. history: an archive,
        for what the log has forgotten; then "earliest", or 0, is its oldest.

    Raises InvalidStart and InvalidSelector. Not thread-safe.
    """

    def __init__(
        self,
        collections: Collections,
        start: Start = "earliest",
        end: int | datetime | None = None,
        types: Sequence[str] | None = None,
        key: Key | None = None,
        history: History | None = None,
    ) -> None:
        self._collections = collections
        self._query = asked(MessageTypes(()), start, types, key, history=history)
        self._span = asked_span(None, end)
        self._of = b',"outbox":%b}\n' % orjson.dumps(collections.log.full_name)

    @outside_bound_session
    def head(self) -> int:
        """Returns the newest seq. Raises OutboxNotCreated and pymongo's errors."""
        return patiently(Log(self._collections).head)

    def read(self, head: int) -> Iterator[tuple[int, list[bytes]]]:
        """Gives a seq, and the lines up to it since the one before, in order; up to `head` at most.

        While iterating it raises HistoryLost, LogReplaced, OutboxNotCreated, ArchiveDamaged, ArchiveUnavailable, and
        pymongo's errors that do not pass within seconds.
        """
        try:
            reader = patiently(partial(self._open, self._query))
            try:
                yield from self._read(reader, head)
            finally:
                reader.close()
        except OSError as error:
            raise ArchiveUnavailable(f"{self._query.history!r} cannot be read: {error}") from error

    @outside_bound_session
    def _open(self, query: Query) -> LogReader | BatchedHistory:
        return open_batches(self._collections, query, lambda _type, _data, _headers: None)

    def _read(self, reader: LogReader | BatchedHistory, head: int) -> Iterator[tuple[int, list[bytes]]]:
        has_begun = False
        while batches := patiently(partial(self._next, reader, has_begun)):
            has_begun = True
            for batch in batches:
                found, is_last = self._lines(batch, head)
                yield batch.last, [each[:-2] + self._of for each in found]
                if is_last:
                    return
        patiently(reader.verify)

    @outside_bound_session
    def _next(self, reader: LogReader | BatchedHistory, has_begun: bool) -> list[Batch]:
        while True:
            try:
                return reader.read_batches()
            except HistoryLost as lost:
                pass_gap(reader, self._query, has_begun, lost)

    def _lines(self, batch: Batch, head: int) -> tuple[list[bytes], bool]:
        """Returns the lines that are wanted, and whether no later batch has any."""
        wanted, span = self._query, self._span
        written = lines(*batch.documents())
        inside = [each for each in written if _is_inside(each, span, head)]
        kept = (line for _, line, _, type in inside if wanted.types is None or type in wanted.types)
        return list(chosen(kept, None, wanted.key)), len(inside) < len(written) or batch.last >= head


def _is_inside(line: Line, span: Span, head: int) -> bool:
    seq, _, created, _ = line
    return seq <= min(span.last, head) and created <= span.until

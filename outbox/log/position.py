"""A position in the log: after which record to go on, as cursors save it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from bson import ObjectId
from bson.datetime_ms import DatetimeMS
from pymongo.client_session import ClientSession

from outbox.errors import CursorMismatch, HistoryLost
from outbox.log.log import Log
from outbox.log.reader_id import described

Position = tuple[int, datetime | DatetimeMS | None, ObjectId | None]
"""`(seq, created, id)` of a record: what a cursor saves."""
Mark = tuple[int, int, bytes]
"""The same of a record that was sent, as BSON has it: only one in some hundreds becomes a Position."""


class Bounds(Protocol):
    """Knows which seqs a log holds; outbox.log.log.Log does."""

    def head(self) -> int: ...
    def earliest(self) -> int: ...
    def oldest(self) -> int: ...
    def seq_at(self, date: datetime) -> int: ...


def position_at(seq: int, log: Log) -> Position:
    """The position just after record `seq`; without its date and id if the log does not hold it (0: nothing is)."""
    record = None if seq == 0 else log.record_at(seq)
    return (seq, None, None) if record is None else (seq, record.created, record.id)


def verify_position(cursor: Position, log: Log, reader: str, session: ClientSession) -> None:
    """Checks that reading can go on after `cursor` in this very log.

    reader: the id of the cursor's reader. session: in which `claim` was called. A primary that was just elected may not
    know for a moment what is committed, and would show a log that ends before the cursor.

    Raises CursorMismatch when the log holds another record there or ends before it, HistoryLost when the next record
    was rolled over. A cursor whose own record is gone, and no more than that, is fine.
    """
    seq, _, id = cursor
    record = None if seq == 0 else log.record_at(seq, session)
    if record is not None:
        if id is not None and record.id != id:
            raise CursorMismatch(_mismatch(reader, f"at seq {seq} the log holds {record.id}, the cursor {id}"))
        return
    head, oldest = log.head(session), log.earliest(session)  # what is there stays, now that there is a cursor
    if head < seq:
        raise CursorMismatch(_mismatch(reader, f"the cursor is at seq {seq}, the log's newest record is {head}"))
    if oldest > seq + 1:
        raise HistoryLost(seq + 1, oldest)


def _mismatch(reader: str, finding: str) -> str:
    return (
        f"the cursor of {described(reader)} belongs to another log: {finding}. The log was restored from a backup or "
        f"made anew, or the cursor comes from another database"
    )

"""Where a message is now, which durable readers have passed it, and the wait until one has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import pymongo
from bson import ObjectId
from pymongo.errors import PyMongoError

from outbox.arguments import check_timeout
from outbox.clock import Clock, SystemClock
from outbox.dead_letters.document import letter_id
from outbox.errors import CursorMismatch, InvalidSelector, WaitTimeout
from outbox.log.cursor_document import parse
from outbox.log.log import Log
from outbox.log.reader_id import check_id, reader_of
from outbox.log.record import Record
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import is_transient
from outbox.readers.query import History
from outbox.shares.layout import documents_of
from outbox.shares.share import Share

Place = Literal["staging", "log", "dead", "archive", "unknown"]

SEARCH_SECONDS = 60.0
"""The time for one search of the whole log."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.05
"""Seconds between two tries. Who waits hears of it within a tenth of a second, the server's answers included."""
_EARLIER = timedelta(minutes=10)
"""So much before its id's date a message may have been put, for the clocks of those who made the two."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a message was found. Its parts are read one after the other, in the order that a message moves."""

    id: ObjectId
    place: Place
    """`staging`: committed, not numbered yet. `log`: numbered. `dead`: put aside for `reader`, also if the log has it.
    `archive`: not in the log any more, but in the archive that was given. `unknown`: in none of them; not committed, or
    rolled over, or never put."""
    seq: int | None = None
    """Its number; None when nothing says it."""
    reader: str | None = None
    """Whose dead letter it is, such as `relay:kafka`; None when there is none."""
    state: str | None = None
    """`dead` when that reader, or the log itself, refused it; `parked` when it waits behind one of its key."""
    passed: tuple[str, ...] = ()
    """The readers that are done with it: their position is at or behind it, and it is none of their letters."""
    waiting: tuple[str, ...] = ()
    """The readers that are not."""
    chunk: str | None = None
    """The path of the archive's chunk that has it, when that is its place."""

    def __str__(self) -> str:
        where = {
            "staging": "is committed and waits in staging for its number",
            "log": f"is in the log as seq {self.seq}",
            "dead": f"is a dead letter of {self.reader} ({self.state})" + (f", seq {self.seq}" if self.seq else ""),
            "archive": f"is in the archive as seq {self.seq}, in {self.chunk}",
            "unknown": "is neither in staging nor in the log nor among the dead letters: it is not committed, or was "
            "rolled over, or never put",
        }[self.place]
        passed = f"; passed by {', '.join(self.passed)}" if self.passed else ""
        waiting = f"; not yet by {', '.join(self.waiting)}" if self.waiting else ""
        return f"message {self.id} {where}{passed}{waiting}"


def message_id(value: object) -> ObjectId:
    """Reads an ObjectId, or its 24 hex digits as the header `id` on Kafka has them. Raises InvalidSelector."""
    if isinstance(value, ObjectId):
        return value
    if isinstance(value, str) and ObjectId.is_valid(value):
        return ObjectId(value)
    raise InvalidSelector(f"{value!r:.100} is no message id: give what put() returned, or its 24 hex digits")


def find(collections: Collections, log: Log, id: ObjectId, history: History | None = None) -> Location:
    """Finds a message, in `history` when it is nowhere else. Raises OutboxNotCreated, pymongo's errors, and what the
    history raises; a log that has it not is read whole, once."""
    is_staged, record = _look(collections, log, id)
    chunk = None
    if record is None and not is_staged and history is not None:
        chunk, record = history.find(id) or (None, None)
    readers = {} if record is None else _readers(collections, record)
    letters = _letters(collections, id, {"reader": 1, "state": 1, "seq": 1, "log": 1})
    readers.update({each["reader"]: False for each in letters if each.get("reader") in readers})
    passed = tuple(reader for reader, is_passed in readers.items() if is_passed)
    waiting = tuple(reader for reader, is_passed in readers.items() if not is_passed)
    if letters:
        letter = letters[0]
        seq = _seq(record, letter, log)
        return Location(id, "dead", seq, letter.get("reader"), letter.get("state"), passed, waiting)
    if record is not None:
        place: Place = "log" if chunk is None else "archive"
        return Location(id, place, record.seq, passed=passed, waiting=waiting, chunk=chunk)
    return Location(id, "staging" if is_staged else "unknown")


def _look(collections: Collections, log: Log, id: ObjectId) -> tuple[bool, Record[Any] | None]:
    """Looks in staging, then in the log: a message leaves staging only after the log has it."""
    with time_limit():
        is_staged = collections.staging.find_one({"_id": id}, {"_id": 1}) is not None
    since = log.newest().undeleted if is_staged else 1
    # First where a message of this id's date would be: all of a log may be much to read.
    likely = max(since, log.seq_at(id.generation_time - _EARLIER))
    record = log.record_of(id, likely, SEARCH_SECONDS)
    if record is None and likely > since:
        record = log.record_of(id, since, SEARCH_SECONDS)
    return is_staged, record


def _letters(collections: Collections, id: ObjectId, fields: Document) -> list[Document]:
    """The dead letters of a message, one a reader. To be asked for after the cursors: they are there before their
    readers go on."""
    with time_limit():
        return list(collections.dead.find({"$or": [{"_id": id}, {"_id.id": id}]}, fields))


def _seq(record: Record[Any] | None, letter: Document, log: Log) -> int | None:
    """The number of a message with a letter; None when the letter is of another log, or of no log at all."""
    if record is not None:
        return record.seq
    is_of_this_log = letter.get("seq") is not None and letter.get("log") in (None, log.identity())
    return int(letter["seq"]) if is_of_this_log else None


def _readers(collections: Collections, record: Record[Any]) -> dict[str, bool]:
    """Tells of each reader whether its position is at the record, or behind it."""
    with time_limit():
        cursors = list(collections.cursors.find(sort=[("_id", pymongo.ASCENDING)]))
    readers: dict[str, bool] = {}
    for cursor in cursors:
        id = str(cursor["_id"])
        reader = reader_of(id)
        position = _position(cursor, int(id[len(reader) + 1 :] or 1), record, collections)
        if position is not None:
            readers[reader] = position >= record.seq and readers.get(reader, True)
    return readers


def _position(cursor: Document, number: int, record: Record[Any], collections: Collections) -> int | None:
    """How far a cursor is, as far as this record goes; None when it is another share's, or only says how many are."""
    try:
        parsed = parse(cursor, collections.cursors.full_name)
    except CursorMismatch:  # its reader says so, when it starts
        return None
    if parsed.position is None:
        return None
    if str(cursor["_id"]).startswith("projection:"):  # its keys may be others than the record's: any share's may be
        return parsed.position[0]
    if not Share(number, parsed.shares).takes(record.key, record.id_bytes, record.seq):
        return None
    is_delivered = not Share(number, parsed.shares, parsed.delivered).takes(record.key, record.id_bytes, record.seq)
    return record.seq if is_delivered else parsed.position[0]


def has_come(condition: Callable[[], bool], timeout: float, clock: Clock) -> bool:
    """Asks again and again, less and less often, until the condition holds: then True; False after `timeout` seconds.

    An error of the server that passes by itself counts as not yet; others are raised.
    """
    pausing = pauses(timeout, clock)
    while not holds(condition):
        pause = next(pausing, None)
        if pause is None:
            return False
        clock.wait(pause)
    return True


def pauses(timeout: float, clock: Clock) -> Iterator[float]:
    """Yields how long to wait before each further try; ends when `timeout` seconds are over."""
    until, pause = clock.monotonic() + timeout, FIRST_PAUSE
    while (left := until - clock.monotonic()) > 0:
        yield min(left, pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def holds(condition: Callable[[], bool]) -> bool:
    """Tells whether it does now. False, too, at an error of the server that passes by itself; others are raised."""
    try:
        return condition()
    except PyMongoError as error:
        if not is_transient(error):
            raise
        return False


class PassedWait:
    """Waits until a reader has passed a message. Not thread-safe."""

    def __init__(self, collections: Collections, log: Log, id: ObjectId, reader: str, clock: Clock) -> None:
        check_id(reader)
        self._collections = collections
        self._log = log
        self._id = id
        self._reader = reader
        self._clock = clock
        self._record: Record[Any] | None = None
        self._searched: int | None = None
        """The log up to here has been searched in vain."""

    def run(self, timeout: float) -> None:
        """Raises WaitTimeout, and pymongo's errors that do not pass."""
        check_timeout(timeout)
        if not has_come(self.has_passed, timeout, self._clock):
            raise self.timed_out(timeout)

    def has_passed(self) -> bool:
        """Tells whether it has. Raises pymongo's errors."""
        record = self._numbered()
        if record is None:
            return False
        if not _readers(self._collections, record).get(self._reader, False):
            return False
        with time_limit():
            letter = self._collections.dead.find_one({"_id": letter_id(self._reader, self._id)}, {"reader": 1})
        return letter is None or letter.get("reader") != self._reader

    def _numbered(self) -> Record[Any] | None:
        if self._record is None:
            head = self._log.head()
            if self._searched is None:
                self._record = _look(self._collections, self._log, self._id)[1]
            elif head > self._searched:
                self._record = self._log.record_of(self._id, self._searched + 1, SEARCH_SECONDS)
            self._searched = head
        return self._record

    def timed_out(self, timeout: float) -> WaitTimeout:
        """Makes the error that says where the message is instead. Raises pymongo's errors."""
        location = find(self._collections, self._log, self._id)
        with time_limit():  # a message without a number says of no reader whether it has passed it
            cursor = self._collections.cursors.find_one(documents_of(self._reader), {"_id": 1})
        known = "" if cursor is not None else f"; {self._reader} has no cursor here"
        return WaitTimeout(f"{self._reader} has not passed it within {timeout:g} s: {location}{known}", location)


def wait_for(
    collections: Collections, log: Log, id: ObjectId, reader: str, timeout: float, clock: Clock | None = None
) -> None:
    """Returns when the reader has passed the message. Raises WaitTimeout, OutboxNotCreated, and pymongo's errors."""
    PassedWait(collections, log, id, reader, SystemClock() if clock is None else clock).run(timeout)

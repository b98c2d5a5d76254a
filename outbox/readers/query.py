"""What a subscriber asked for, and reading by it: where it starts, what it does at a gap, which records it wants."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Protocol

from bson import ObjectId
from pymongo.errors import PyMongoError

from outbox.arguments import check_function
from outbox.errors import HistoryLost, InvalidSelector, OutboxError
from outbox.events import OnEvent, teller
from outbox.log.log import Log
from outbox.log.position import Bounds, Position
from outbox.log.record import Decode, Record, note_record
from outbox.messages.message_types import Key, MessageTypes
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import patiently, short_message
from outbox.readers.head import Head
from outbox.readers.reader import LogReader
from outbox.readers.selection import selected_key, selected_types, warn_of_unknown
from outbox.readers.start import Start, check, resolve

logger = logging.getLogger("outbox")


class First(Protocol):
    """Gives records before those of the log; see outbox.latest.first.LatestFirst."""

    def begin(self) -> int | None: ...
    def wants(self, record: Record[Any]) -> bool: ...
    def read(self) -> Sequence[Record[Any]]: ...
    def close(self) -> None: ...


class Portions(Protocol):
    """Holds some records, decoded a portion at a time; outbox.log.batch.Batch is one."""

    @property
    def gives(self) -> int: ...
    def portions(self, decode: Decode) -> Iterator[list[Record[Any]]]: ...


class SeqReader(Protocol):
    """Reads batches from a position on; the contract is outbox.readers.reader.LogReader's."""

    position: int

    def read_batches(self) -> Sequence[Portions]: ...
    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool: ...
    def move(self, position: int) -> None: ...
    def verify(self) -> None: ...
    def close(self) -> None: ...


class History(Protocol):
    """Keeps the oldest records of a log; outbox.archive.Archive does. All may raise OSError."""

    @property
    def head(self) -> int: ...
    @property
    def oldest(self) -> int: ...
    def position(self) -> Position | None: ...
    def find(self, message_id: ObjectId) -> tuple[str, Record[Any]] | None: ...
    def read(
        self,
        start: int | datetime | None = None,
        end: int | datetime | None = None,
        types: Sequence[str] | None = None,
        key: Key | None = None,
    ) -> Iterator[Record[Any]]: ...
    def by_chunks(
        self,
        start: int | datetime | None = None,
        end: int | datetime | None = None,
        types: Sequence[str] | None = None,
        key: Key | None = None,
    ) -> Iterator[tuple[int, Iterator[Record[Any]]]]: ...


OnGap = Literal["error"] | Callable[[HistoryLost], None]
Where = Callable[[Record[Any]], bool]
"""Says of a record whether it is wanted. What is refused is passed over: the position advances all the same."""


@dataclass(frozen=True)
class Query:
    """What a subscriber asked for; `types` are names, None means all."""

    start: Start
    types: frozenset[str] | None
    key: str | None
    on_gap: OnGap = "error"
    where: Where | None = None
    on_event: OnEvent | None = None
    marks: bool = False
    """Whether it is told between the records, too, when it has reached the head."""
    pinned: int | None = None
    """The seq that `start` means, once that is known."""
    unknown: frozenset[str] = frozenset()
    """Those of `types` that this process has no message class of."""
    history: History | None = None
    """What has the records that the log has forgotten."""
    first: Callable[[], First] | None = None
    """Makes what is read before the log; the query begins where that says, and wants what that wants."""

    def __post_init__(self) -> None:
        """Raises InvalidSelector and InvalidArgument."""
        if self.where is not None:
            check_function("where", self.where, "a record", InvalidSelector)
        if self.on_gap != "error":
            check_function("on_gap", self.on_gap, 'HistoryLost, or "error"')
        teller(self.on_event)  # which refuses what cannot be called

    def wants(self, record: Record[Any]) -> bool:
        """Whether it is asked for. Raises what `where` raises, with a note that names the record."""
        if not (self.types is None or record.type in self.types) or not (self.key is None or record.key == self.key):
            return False
        if self.where is None:
            return True
        try:
            return bool(self.where(record))
        except BaseException as error:
            note_record(error, record, "where")
            raise


def asked(
    known: MessageTypes,
    start: Start,
    types: object,
    key: object,
    on_gap: OnGap = "error",
    where: Where | None = None,
    on_event: OnEvent | None = None,
    history: History | None = None,
) -> Query:
    """Checks what a subscriber asks for. Raises InvalidStart, InvalidSelector, UnknownMessage and InvalidArgument.

    start: also 0 with a history, for the oldest record of it.
    """
    if history is not None and not isinstance(start, (str, datetime)) and start == 0:
        start = "earliest"
    check(start)
    names = selected_types(types, known)
    unknown = (names or frozenset()).difference(known.names)
    return Query(start, names, selected_key(key), on_gap, where, on_event, unknown=unknown, history=history)


def next_batches(reader: SeqReader, query: Query, delivered: bool) -> Sequence[Portions]:
    """The next batches, over a gap if the query allows that; none at the head. Raises as `LogReader.read`."""
    while True:
        try:
            return reader.read_batches()
        except HistoryLost as lost:
            pass_gap(reader, query, delivered, lost)


def pass_gap(reader: SeqReader, query: Query, delivered: bool, lost: HistoryLost) -> None:
    """Lets the reader go on behind a gap, if the query allows that; else raises what was lost. No I/O."""
    if delivered or query.start != "earliest":  # which promises nothing before its first record
        if not callable(query.on_gap):
            raise lost
        query.on_gap(lost)
    reader.move(lost.oldest)


def decoded(batches: Iterable[Portions], decode: Decode) -> Iterator[Record[Any]]:
    """The records of batches, each decoded shortly before it is wanted. Raises LogCorrupt."""
    for batch in batches:
        for portion in batch.portions(decode):
            yield from portion


@outside_bound_session
def pinned(collections: Collections, query: Query) -> Query:
    """Resolves 'latest' to the seq that it means now, so that whatever is put from now on is delivered.

    A server that cannot be asked is asked again by the subscription itself, which tells of errors that stay.
    """
    if query.start != "latest":
        return query
    try:
        return replace(query, pinned=patiently(lambda: resolve(query.start, Log(collections))))
    except (PyMongoError, OutboxError) as error:
        name = collections.log.full_name
        said = "reading %s from 'latest' begins when the server answers: %s"
        logger.info(said, name, short_message(error), extra={"outbox": name})
        return query


@outside_bound_session
def open_reader(collections: Collections, query: Query, decode: Decode, head: Head | None) -> LogReader:
    """Opens a reader where the query starts, woken by `head`. Raises as `resolve`."""
    if query.unknown:
        warn_of_unknown(collections, query.unknown)
    return LogReader(collections, first_position(query, Log(collections)), head=head, decode=decode)


def first_position(query: Query, log: Bounds) -> int:
    """Returns the seq that reading starts at. Raises as `resolve`."""
    try:
        return query.pinned or resolve(query.start, log)
    except HistoryLost as lost:
        if not callable(query.on_gap):
            raise
        return lost.expected  # the first read meets the gap, and tells of it

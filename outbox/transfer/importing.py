"""Puts the lines of an export into an outbox, each message once however often it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from bson import ObjectId

from outbox.errors import ImportRefused, InvalidMessage
from outbox.mongo.collections import Collections
from outbox.transfer.arrival import Arrival, of_line
from outbox.transfer.arrivals import Arrivals

MOST_LINES = 500
MOST_BYTES = 4 << 20
"""Of the lines that are put in one transaction."""
LONGEST_LINE = 128 << 20
"""Longer than any line of an export, of MongoDB's largest document: all of it escaped, and in base64 beside that."""


@dataclass
class Counts:
    """How many messages were read and put so far; the others were there already."""

    read: int = 0
    put: int = 0


def lines_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Gives the lines of a file. A longer one than an export has comes in parts: its file may have no end."""
    return iter(lambda: stream.readline(LONGEST_LINE), b"")


def import_lines(
    collections: Collections, lines: Iterable[bytes], progress: Callable[[Counts], object] = lambda _: None
) -> Counts:
    """Puts messages that an export or an archive has written as lines, in order, and returns how many.

    Each gets a new id and number, and headers that say where it is from. A message that has arrived before is passed
    over, whoever is importing it at the same time; so after a crash the same lines are given again.

    progress: is told after each transaction.

    Raises ImportRefused at the first line that cannot be put, when all before it are; OutboxNotCreated, and pymongo's
    errors that do not pass within a minute.
    """
    arrivals, counts = Arrivals(collections), Counts()
    arrivals.open()
    batch: list[Arrival] = []
    size = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            _put(arrivals, batch, counts)
            raise _refused(number, None, "it is empty")
        try:
            batch.append(of_line(line))
        except InvalidMessage as invalid:
            _put(arrivals, batch, counts)
            raise _refused(number, None, invalid) from invalid
        size += len(line)
        if len(batch) >= MOST_LINES or size >= MOST_BYTES:
            _put(arrivals, batch, counts)
            progress(counts)
            batch, size = [], 0
    _put(arrivals, batch, counts)
    progress(counts)
    return counts


def _refused(number: int, id: ObjectId | None, reason: object) -> ImportRefused:
    named = f"line {number}" if id is None else f"line {number} (id {id})"
    return ImportRefused(
        f"{named} cannot be imported: {reason}. What comes before it is in. Mend that, then give all lines again"
    )


def _put(arrivals: Arrivals, batch: list[Arrival], counts: Counts) -> None:
    """Puts them together; one by one when one is refused, to find which."""
    if not batch:
        return
    try:
        counts.put += arrivals.put(batch)
        counts.read += len(batch)
    except InvalidMessage:
        for each in batch:
            try:
                counts.put += arrivals.put([each])
            except InvalidMessage as invalid:
                raise _refused(counts.read + 1, each.origin.id, invalid) from invalid
            counts.read += 1

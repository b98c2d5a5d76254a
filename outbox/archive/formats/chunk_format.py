"""What a format of chunks does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from outbox.archive.line import Line
from outbox.archive.manifest import Entry
from outbox.log.batch import Head
from outbox.log.record import Record


@dataclass(frozen=True)
class Wanted:
    """Which records of a chunk are asked for: from one seq to another, both included, of these types and this key."""

    first: int
    last: float
    types: frozenset[str] | None = None
    key: str | None = None
    id: bytes | None = None
    """Of the one message that is asked for."""


class Packer(Protocol):
    """Makes one chunk of lines as they come."""

    def add(self, lines: Sequence[bytes]) -> None:
        """Takes the next lines, as the format's `lines` has made them."""

    def finish(self) -> bytes:
        """Returns the chunk. Takes nothing more."""


class ChunkFormat(Protocol):
    """Writes and reads chunks of one format. Thread-safe. What it is given to read has the checksum of its entry."""

    def lines(self, heads: list[Head], documents: list[bytes]) -> list[Line]:
        """Writes records: what comes before each, and its `type`, `key`, `headers` and `data` as BSON."""

    def packer(self) -> Packer:
        """Begins a chunk."""

    def records(self, stored: bytes, entry: Entry, wanted: Wanted) -> Iterator[Record[Any]]:
        """Gives the wanted records of a chunk; no other is parsed. Raises ArchiveDamaged."""

    def check(self, stored: bytes, entry: Entry) -> Record[Any]:
        """Checks that the seqs are gapless and as many as the entry says. Returns the newest record.

        Raises ArchiveDamaged.
        """

"""A chunk: its lines put together, checked, and read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from outbox import dates
from outbox.archive.formats import compressor, lines, sha256
from outbox.archive.line import Line
from outbox.archive.manifest import Entry
from outbox.errors import ArchiveDamaged
from outbox.log.record import moment

MOST_RECORDS = 100_000
MOST_BYTES = 64 << 20
"""Before compression. A line that is longer than all of it stands alone."""


class Draft:
    """Lines that are yet to be stored, compressed as they come. Not thread-safe."""

    def __init__(self, format: str, most_records: int = MOST_RECORDS, most_bytes: int = MOST_BYTES) -> None:
        self._format = format
        self._most = most_records, most_bytes
        self._compressor = compressor(format)
        self._parts: list[bytes] = []
        self._bytes = 0
        self._types: set[str] = set()
        self.seqs: list[int] = []
        self.is_full = False
        """The next line finds no room."""
        self._first: Line | None = None
        self._last: Line | None = None

    def take(self, offered: Sequence[Line]) -> int:
        """Takes lines from the first on, and returns how many: fewer when it is full.

        Raises ArchiveDamaged for a gap.
        """
        taken = 0
        for line in offered:
            if self.is_full or (self.seqs and self._bytes + len(line[1]) > self._most[1]):
                self.is_full = True
                break
            if self.seqs and line[0] != self.seqs[-1] + 1:
                raise ArchiveDamaged(f"seq {self.seqs[-1] + 1} to {line[0] - 1} did not come")
            self.seqs.append(line[0])
            self._bytes += len(line[1])
            self._types.add(line[3])
            self.is_full = len(self.seqs) >= self._most[0]
            taken += 1
        if taken:
            self._first = self._first or offered[0]
            self._last = offered[taken - 1]
            self._parts.append(self._compressor.compress(b"".join([line[1] for line in offered[:taken]])))
        return taken

    def finish(self) -> tuple[bytes, Entry]:
        """Returns the content of the file, and its entry. Takes nothing more."""
        assert self._first is not None
        assert self._last is not None
        stored = b"".join((*self._parts, self._compressor.flush()))
        entry = Entry(
            self.seqs[0],
            self.seqs[-1],
            dates.text(moment(self._first[2])),
            dates.text(moment(self._last[2])),
            len(self.seqs),
            len(stored),
            sha256(stored),
            self._format,
            sorted(self._types),
        )
        return stored, entry


def read(stored: bytes, entry: Entry) -> Iterator[bytes]:
    """Gives the lines of a chunk whose file is what its entry says. Raises ArchiveDamaged, before the first line or
    where it is."""
    if len(stored) != entry.bytes or sha256(stored) != entry.sha256:
        raise ArchiveDamaged(
            f"it has {len(stored):,} bytes with sha256 {sha256(stored)}, and its manifest entry says {entry.bytes:,} "
            f"and {entry.sha256}"
        )
    return lines(stored, entry.format)


def check(stored: bytes, entry: Entry) -> bytes:
    """Checks a chunk: its checksum, that its seqs are gapless, and their count. Returns its last line."""
    expected, last = entry.first, b""
    for last in read(stored, entry):  # the last one is returned
        if not last.startswith(b'{"seq":%d,' % expected) or not last.endswith(b"}"):
            raise ArchiveDamaged(f"where seq {expected} should be, there is {last!r:.100}")
        expected += 1
    if expected != entry.last + 1:
        raise ArchiveDamaged(
            f"it has {expected - entry.first:,} record(s), and its manifest entry says {entry.count:,}"
        )
    return last

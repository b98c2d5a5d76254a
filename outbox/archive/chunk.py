"""A chunk: its records put together, and its file compared with its entry."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from outbox import dates
from outbox.archive.formats.choice import chunk_format
from outbox.archive.line import Line
from outbox.archive.manifest import Entry
from outbox.errors import ArchiveDamaged
from outbox.log.record import Record, moment

MOST_RECORDS = 100_000
MOST_BYTES = 64 << 20
"""Before compression. A line that is longer than all of it stands alone."""


class Draft:
    """Lines that are yet to be stored, packed as they come. Not thread-safe."""

    def __init__(self, format: str, most_records: int = MOST_RECORDS, most_bytes: int = MOST_BYTES) -> None:
        self._format = format
        self._most = most_records, most_bytes
        self._packer = chunk_format(format).packer()
        self._bytes = 0
        self._types: set[str] = set()
        self.is_full = False
        """The next line finds no room."""
        self._first: Line | None = None
        self._last: Line | None = None

    @property
    def seqs(self) -> range:
        """Returns the seqs that it has."""
        return range(0) if self._first is None or self._last is None else range(self._first[0], self._last[0] + 1)

    def take(self, offered: Sequence[Line]) -> int:
        """Takes lines from the first on, and returns how many: fewer when it is full.

        Raises ArchiveDamaged for a gap.
        """
        lines = offered[: self._room(offered)]
        if not lines:
            return 0
        self._check_gapless(lines)
        self._first = self._first or lines[0]
        self._last = lines[-1]
        self._types.update([line[3] for line in lines])
        self._packer.add([line[1] for line in lines])
        return len(lines)

    def _room(self, offered: Sequence[Line]) -> int:
        """Counts how many of the lines find room. Sets whether it is full then."""
        most = self._most[0] - len(self.seqs)
        taken = 0
        for line in offered[:most]:
            if (self._bytes or taken) and self._bytes + len(line[1]) > self._most[1]:
                self.is_full = True
                return taken
            self._bytes += len(line[1])
            taken += 1
        self.is_full = taken == most
        return taken

    def _check_gapless(self, lines: Sequence[Line]) -> None:
        expected = lines[0][0] if self._last is None else self._last[0] + 1
        if [line[0] for line in lines] != list(range(expected, expected + len(lines))):
            for seq in [line[0] for line in lines]:
                if seq != expected:
                    raise ArchiveDamaged(f"seq {expected} to {seq - 1} did not come")
                expected += 1

    def finish(self) -> tuple[bytes, Entry]:
        """Returns the content of the file, and its entry. Takes nothing more."""
        assert self._first is not None
        assert self._last is not None
        stored = self._packer.finish()
        entry = Entry(
            self._first[0],
            self._last[0],
            dates.text(moment(self._first[2])),
            dates.text(moment(self._last[2])),
            len(self.seqs),
            len(stored),
            sha256(stored),
            self._format,
            sorted(self._types),
        )
        return stored, entry


def sha256(stored: bytes) -> str:
    """Returns the checksum of a file, as `sha256sum` prints it."""
    return hashlib.sha256(stored).hexdigest()


def verified(stored: bytes, entry: Entry) -> bytes:
    """Returns the content of a file when it is what its entry says. Raises ArchiveDamaged."""
    if len(stored) != entry.bytes or sha256(stored) != entry.sha256:
        raise ArchiveDamaged(
            f"it has {len(stored):,} bytes with sha256 {sha256(stored)}, and its manifest entry says {entry.bytes:,} "
            f"and {entry.sha256}"
        )
    return stored


def check(stored: bytes, entry: Entry) -> Record[object]:
    """Checks a chunk: its checksum, that its seqs are gapless, and their count. Returns its newest record.

    Raises ArchiveDamaged.
    """
    return chunk_format(entry.format).check(verified(stored, entry), entry)

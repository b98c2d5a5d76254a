"""The manifest of an archive: an entry for each chunk that counts."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from outbox.archive.stores.store import Store
from outbox.errors import ArchiveDamaged, HistoryLost

_ENTRY = re.compile(r"(\d{19})\.json")
_CHUNK = re.compile(r"(\d{19})-(\d{19})\.(?:jsonl(?:\.gz|\.zst)?|parquet|bson)")


@dataclass(frozen=True)
class Entry:
    """What is known of a chunk. created_first, created_last: of its records, as text. bytes, sha256: of its file."""

    first: int
    last: int
    created_first: str
    created_last: str
    count: int
    bytes: int
    sha256: str
    format: str
    types: list[str]

    @property
    def file(self) -> str:
        """Returns the name of the chunk's file."""
        return f"{self.first:019d}-{self.last:019d}.{self.format}"


class Manifest:
    """Finds the chunks of the archive `name`, in order. Nothing is remembered. Thread-safe. Raises OSError."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.folder = f"{name}/manifest"
        self.chunks = f"{name}/chunks"

    def firsts(self) -> list[int]:
        """Returns the first seq of every chunk."""
        return [int(found[1]) for name in self._store.names(self.folder) if (found := _ENTRY.fullmatch(name))]

    def path(self, entry: Entry) -> str:
        """Returns the path of a chunk's file."""
        return f"{self.chunks}/{entry.file}"

    def entry(self, first: int) -> Entry:
        """Reads an entry. Raises FileNotFoundError, and ArchiveDamaged for what is none."""
        path = f"{self.folder}/{first:019d}.json"
        content = self._store.read(path)
        try:
            found = json.loads(content)
            entry = Entry(**{field.name: found[field.name] for field in fields(Entry)})
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveDamaged(f"the manifest entry {path} cannot be read: {error!r}", path) from error
        if entry.first != first or entry.last - first + 1 != entry.count or entry.count < 1:
            raise ArchiveDamaged(
                f"the manifest entry {path} says {entry.first}-{entry.last}, {entry.count} record(s)", path
            )
        return entry

    def entries(self, since: int = 0) -> Iterator[Entry]:
        """Gives the entries from the chunk that holds seq `since` on; of all there are for 0. Lists the folder once.

        Raises HistoryLost when the oldest chunk begins behind `since`, or one expires meanwhile, and ArchiveDamaged,
        which names what is missing, where one does not begin behind the last.
        """
        firsts = self.firsts()
        if firsts and 0 < since < firsts[0]:
            raise HistoryLost(since, firsts[0])
        begin = max((at for at, first in enumerate(firsts) if first <= since), default=0)
        following: int | None = None
        for first in firsts[begin:]:
            if following not in (None, first):
                raise self._gap(following or 0, first)
            try:
                entry = self.entry(first)
            except FileNotFoundError as gone:  # it has expired meanwhile
                raise HistoryLost(first, min(self.firsts(), default=1)) from gone
            following = entry.last + 1
            yield entry

    def _gap(self, expected: int, first: int) -> ArchiveDamaged:
        if first < expected:
            path = f"{self.folder}/{first:019d}.json"
            return ArchiveDamaged(f"{path}: its chunk begins before the one before it has ended", path)
        files = [name for begins, _, name in self.files() if begins == expected]
        path = f"{self.folder}/{expected:019d}.json"
        there = f"; the chunk {files[0]} is there, and does not count without it" if files else ""
        return ArchiveDamaged(f"seq {expected} to {first - 1} are missing: there is no {path}{there}", path)

    def last(self) -> Entry | None:
        """Returns the newest entry; None when there is none."""
        firsts = self.firsts()
        return self.entry(firsts[-1]) if firsts else None

    def files(self) -> list[tuple[int, int, str]]:
        """Returns the first and the last seq of every chunk's file, and its name, also of those that do not count."""
        names = self._store.names(self.chunks)
        return [(int(found[1]), int(found[2]), name) for name in names if (found := _CHUNK.fullmatch(name))]

    def leftovers(self) -> list[str]:
        """Returns the names of chunks' files that can never count: they come before the oldest chunk that does, or
        another chunk has their first seq. One between two chunks that count may have lost its entry."""
        firsts, files = self.firsts(), self.files()
        alike = Counter(first for first, _, _ in files)
        return [name for first, _, name in files if firsts and self._never_counts(first, name, firsts, alike[first])]

    def _never_counts(self, first: int, name: str, firsts: list[int], alike: int) -> bool:
        at = bisect_right(firsts, first) - 1
        if at < 0:
            return True
        if firsts[at] == first:
            return alike > 1 and self.entry(first).file != name
        return first < firsts[-1] and self.entry(firsts[at]).last >= first

    def add(self, entry: Entry) -> None:
        """Makes a chunk count. Raises FileExistsError when another chunk with this first seq counts."""
        content = json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n"
        self._store.create(f"{self.folder}/{entry.first:019d}.json", content)

    def remove(self, entry: Entry) -> None:
        """Removes a chunk: first it counts no more, then its file goes."""
        self._store.remove(f"{self.folder}/{entry.first:019d}.json")
        self._store.remove(self.path(entry))

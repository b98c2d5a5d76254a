"""An archive: reads, checks and shortens history that is kept in files. It asks no server."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from outbox import dates
from outbox.archive import chunk
from outbox.archive.line import chosen, record
from outbox.archive.manifest import Entry, Manifest
from outbox.archive.span import Place, Span, asked_span
from outbox.archive.store import store
from outbox.errors import ArchiveDamaged, HistoryLost, InvalidName
from outbox.log.position import Position
from outbox.log.record import Record
from outbox.messages.message_types import Key, MessageTypes
from outbox.readers.selection import selected_key, selected_types

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True)
class Found:
    """What an archive holds, when all of it is as it was written."""

    chunks: int
    records: int
    bytes: int
    """Of the chunks' files."""
    first: int
    """The oldest seq; 0 when it is empty, as `last`."""
    last: int


class Archive:
    """The archive `name` at a folder or a URL that fsspec knows: records in chunks, and a manifest of these.

    Thread-safe. At most one chunk is in memory at a time, of 64 MiB at most. Raises OSError when the place does not
    answer, as do all its methods, and ArchiveDamaged, which names the chunk, for what is not as it was written.

    Making one asks nobody. Raises InvalidArchive and InvalidName.
    """

    def __init__(self, url: str | os.PathLike[str], name: str = "main") -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.strip(".") == "":
            raise InvalidName(f"{name!r:.200} cannot be an archive's name: 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'")
        self.url = os.fspath(url) if isinstance(url, os.PathLike) else url
        self.name = name
        self.store = store(url)
        self.manifest = Manifest(self.store, name)

    def __repr__(self) -> str:
        return f"Archive({self.url!r}, {self.name!r})"

    @property
    def head(self) -> int:
        """The newest seq that it holds; 0 while it is empty."""
        last = self.manifest.last()
        return 0 if last is None else last.last

    @property
    def oldest(self) -> int:
        """The oldest seq that it holds; 1 while it is empty."""
        firsts = self.manifest.firsts()
        return firsts[0] if firsts else 1

    def position(self) -> Position | None:
        """Returns the position of its newest record; None while it is empty. Checks the newest chunk."""
        last = self.manifest.last()
        if last is None:
            return None
        with self._naming(last):
            newest = record(chunk.check(self.store.read(self.manifest.path(last)), last))
        return newest.seq, newest.created, newest.id

    def read(
        self,
        start: Place = None,
        end: Place = None,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
    ) -> Iterator[Record[Any]]:
        """Gives the records from `start` to `end`, both included, in order; those of these types and this key alone.

        start, end: a seq; a datetime, for the records that were created then or later, or up to then (naive means
            UTC); None, as 0 for `start`, for all there is. types: message classes or type names.

        A chunk without such records is not read, and a line that is not wanted is not parsed. Raises InvalidStart,
        InvalidSelector; while iterating HistoryLost, when `start` is a seq that it no longer holds.
        """
        span = asked_span(start, end)
        return self._read(span, selected_types(types, MessageTypes(())), selected_key(key))

    def _read(self, span: Span, types: frozenset[str] | None, key: str | None) -> Iterator[Record[Any]]:
        if span.first > 0 and span.first < (oldest := self.oldest):
            raise HistoryLost(span.first, oldest)
        for entry in self.manifest.entries(since=span.first):
            if span.ends_before(entry):
                return
            if span.begins_after(entry) or (types is not None and types.isdisjoint(entry.types)):
                continue
            with self._naming(entry):
                lines = chunk.read(self.store.read(self.manifest.path(entry)), entry)
                for line in chosen(span.cut(lines, entry), types, key):
                    each = record(line)
                    if span.holds(each):
                        yield each

    def verify(self, progress: Callable[[Entry], object] = lambda _: None) -> Found:
        """Reads all of it: checksums, counts, and that no seq is missing. Returns what there is.

        progress: is told of each chunk that is as it was written.

        Raises ArchiveDamaged at the first chunk that is not as it was written, or is missing.
        """
        chunks = records = size = first = last = 0
        counted, files = set(), self.manifest.files()
        for entry in self.manifest.entries():
            with self._naming(entry):
                record(chunk.check(self.store.read(self.manifest.path(entry)), entry))
            chunks, records, size = chunks + 1, records + entry.count, size + entry.bytes
            first, last = first or entry.first, entry.last
            counted.add(entry.file)
            progress(entry)
        for begins, _, name in files:
            if name not in counted and begins not in self.manifest.firsts():
                path = f"{self.manifest.chunks}/{name}"
                raise ArchiveDamaged(
                    f"the chunk {path} of {self.url} has no manifest entry, so it does not count. Its entry was "
                    "lost, or a crash came before it, or it is being written: the next run of the archive stores its "
                    "records again",
                    path,
                )
        return Found(chunks, records, size, first, last)

    def chunks(self) -> list[Entry]:
        """Returns the manifest's entries, in order."""
        return list(self.manifest.entries())

    def expired(self, older_than: timedelta | datetime) -> list[Entry]:
        """Returns the oldest chunks whose records were all created before then; never the newest chunk, which says
        where the archive goes on."""
        moment = datetime.now(UTC) - older_than if isinstance(older_than, timedelta) else dates.aware(older_than)
        before = dates.milliseconds(moment)
        found: list[Entry] = []
        for entry in self.chunks()[:-1]:
            if dates.milliseconds_of(entry.created_last) >= before:
                break
            found.append(entry)
        return found

    def expire(self, older_than: timedelta | datetime) -> list[Entry]:
        """Removes the chunks that `expired` returns, the oldest first, and returns them."""
        found = self.expired(older_than)
        for entry in found:
            self.manifest.remove(entry)
        self.remove_leftovers()
        return found

    def remove_leftovers(self) -> list[str]:
        """Removes chunk files that a crash has left, and that can never count: another chunk with their first seq does,
        or a later one. Returns their names."""
        firsts = set(self.manifest.firsts())
        newest = max(firsts, default=0)
        left = [
            name
            for first, _, name in self.manifest.files()
            if first <= newest and not (first in firsts and self.manifest.entry(first).file == name)
        ]
        for name in left:
            self.store.remove(f"{self.manifest.chunks}/{name}")
        return left

    @contextmanager
    def _naming(self, entry: Entry) -> Iterator[None]:
        """Names the chunk in what is raised."""
        path = self.manifest.path(entry)
        try:
            yield
        except ArchiveDamaged as damaged:
            raise ArchiveDamaged(f"the chunk {path} of {self.url} is damaged: {damaged}", path) from damaged
        except FileNotFoundError as missing:
            if entry.first not in self.manifest.firsts():  # it has expired meanwhile
                raise HistoryLost(entry.first, self.oldest) from missing
            raise ArchiveDamaged(
                f"the chunk {path} of {self.url} is missing, and its manifest entry is there", path
            ) from missing

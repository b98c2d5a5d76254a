"""An archive: reads, checks and shortens history that is kept in files. It asks no server."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from outbox import dates
from outbox.archive.chunk import check, verified
from outbox.archive.formats.choice import chunk_format
from outbox.archive.formats.chunk_format import Wanted
from outbox.archive.manifest import Entry, Manifest
from outbox.archive.read_ahead import ReadAhead
from outbox.archive.span import Place, Span, asked_span
from outbox.archive.stores.opening import shown, store
from outbox.errors import ArchiveDamaged, HistoryLost, InvalidName
from outbox.log.position import Position
from outbox.log.record import Record
from outbox.messages.message_types import Key, MessageTypes
from outbox.readers.selection import selected_key, selected_types

_EARLIER = timedelta(minutes=10)
"""So much before its id's date a message may have been put, for the clocks of those who made the two."""
_PASSED_OVER = 64
"""Chunks by whose manifest entries alone it is known that they have nothing, until whoever reads is told: in an object
store each of them is a request."""
_UNFINISHED_SECONDS = 3600.0
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
    """The archive `name` at a folder, at a URL that fsspec knows, or in a collection of a MongoDB: records in chunks,
    and a manifest of these.

    Thread-safe. Whoever reads has at most two chunks in memory, of 64 MiB each at most before compression: the one it
    is at, and the next. Raises OSError when the place does not answer, as do all its methods, and ArchiveDamaged, which
    names the chunk, for what is not as it was written.

    A collection holds one archive, whatever its name: there, `name` is only that of the reader that stores.

    Making one asks nobody. Raises InvalidArchive and InvalidName.
    """

    def __init__(self, url: str | os.PathLike[str], name: str = "main") -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.strip(".") == "":
            raise InvalidName(f"{name!r:.200} cannot be an archive's name: 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'")
        self.store = store(url)
        self.url = shown(os.fspath(url))
        self.name = name
        self.manifest = Manifest(self.store, name)
        self._checked: tuple[Entry, Position] | None = None

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
        """Returns the position of its newest record; None while it is empty. Checks the newest chunk, once."""
        last = self.manifest.last()
        if last is None:
            return None
        checked = self._checked
        if checked is None or checked[0] != last:
            with self._naming(last):
                newest = check(self.store.read(self.manifest.path(last)), last)
            checked = self._checked = last, (newest.seq, newest.created, newest.id)
        return checked[1]

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
        chunks = self.by_chunks(start, end, types, key)
        return (record for _, records in chunks for record in records)

    def by_chunks(
        self,
        start: Place = None,
        end: Place = None,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
    ) -> Iterator[tuple[int, Iterator[Record[Any]]]]:
        """Gives the records of `read` chunk by chunk, each with the seq behind it, so that whoever reads can do
        something else in between, although no record comes. Take a chunk's records before the next one. Raises as
        `read`."""
        span = asked_span(start, end)
        return self._by_chunks(span, selected_types(types, MessageTypes(())), selected_key(key))

    def _by_chunks(
        self, span: Span, types: frozenset[str] | None, key: str | None
    ) -> Iterator[tuple[int, Iterator[Record[Any]]]]:
        wanted = span.wanted(types, key)
        with closing(ReadAhead(self._stored(span, types))) as chunks:
            for entry, stored in chunks:
                records = iter(()) if stored is None else self._records(entry, stored, wanted, span, chunks.begin)
                yield entry.last + 1, records

    def _records(
        self, entry: Entry, stored: bytes, wanted: Wanted, span: Span, begin_next: Callable[[], None]
    ) -> Iterator[Record[Any]]:
        with self._naming(entry):
            for record in chunk_format(entry.format).records(stored, entry, wanted):
                if span.holds(record):
                    yield record
                    begin_next()

    def _stored(self, span: Span, types: frozenset[str] | None) -> Iterator[tuple[Entry, bytes | None]]:
        """Gives the chunks of a span that have one of the types, each as its entry says it is; and None now and then
        where it has passed over others."""
        passed = 0
        for entry in self.manifest.entries(since=span.first):
            if span.ends_before(entry):
                return
            if span.begins_after(entry) or (types is not None and types.isdisjoint(entry.types)):
                passed += 1
                if passed % _PASSED_OVER == 0:
                    yield entry, None
                continue
            with self._naming(entry):
                stored = verified(self.store.read(self.manifest.path(entry)), entry)
            yield entry, stored
            del stored  # while the next one is read

    def find(self, message_id: ObjectId) -> tuple[str, Record[Any]] | None:
        """Returns the path of the chunk that has a message, and its record; None when none has it.

        Reads first what was created when the id was made, and then all the rest.
        """
        likely = dates.milliseconds(message_id.generation_time - _EARLIER)
        for span in (Span(since=likely), Span(until=likely)):
            with closing(ReadAhead(self._stored(span, None))) as chunks:
                for entry, stored in chunks:
                    chunks.begin()
                    if stored is None:
                        continue
                    with self._naming(entry):
                        wanted = span.wanted(id=message_id.binary)
                        for found in chunk_format(entry.format).records(stored, entry, wanted):
                            return self.manifest.path(entry), found
        return None

    def verify(self, progress: Callable[[Entry], object] = lambda _: None) -> Found:
        """Reads all of it: checksums, counts, and that no seq is missing. Returns what there is.

        progress: is told of each chunk that is as it was written.

        Raises ArchiveDamaged at the first chunk that is not as it was written, or is missing.
        """
        chunks = records = size = first = last = 0
        counted, files = set(), self.manifest.files()
        with closing(ReadAhead(self._stored(Span(), None))) as stored:
            for entry, content in stored:
                stored.begin()
                assert content is not None  # none is passed over
                with self._naming(entry):
                    chunk_format(entry.format).check(content, entry)
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
        self.remove_leftovers(_UNFINISHED_SECONDS)
        return found

    def remove_leftovers(self, unfinished_seconds: float = 0.0) -> list[str]:
        """Removes what crashes have left, and returns the names: chunks that can never count, since others have their
        first seq or they come before the oldest; and files that were not finished for so long.

        A chunk whose manifest entry was lost stays: with its entry it counts again.
        """
        left = self.manifest.leftovers()
        for name in left:
            self.store.remove(f"{self.manifest.chunks}/{name}")
        for folder in (self.manifest.chunks, self.manifest.folder):
            left += self.store.remove_unfinished(folder, unfinished_seconds)
        return left

    @contextmanager
    def _naming(self, entry: Entry) -> Iterator[None]:
        """Names the chunk in what is raised."""
        path = self.manifest.path(entry)
        try:
            yield
        except (ArchiveDamaged, FileNotFoundError) as wrong:
            if entry.first not in self.manifest.firsts():  # it has expired meanwhile
                raise HistoryLost(entry.first, self.oldest) from wrong
            if isinstance(wrong, FileNotFoundError):
                text = f"the chunk {path} of {self.url} is missing, and its manifest entry is there"
            else:
                text = f"the chunk {path} of {self.url} is damaged: {wrong}"
            raise ArchiveDamaged(text, path) from wrong

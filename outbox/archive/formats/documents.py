"""Chunks of BSON documents, one a record, as a collection has them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from outbox.archive.formats.chunk_format import Packer, Wanted
from outbox.archive.line import Line, made_of_bson
from outbox.archive.manifest import Entry
from outbox.errors import ArchiveDamaged
from outbox.log.batch import Head
from outbox.log.record import Record
from outbox.mongo.elements import elements

_HEAD = struct.Struct("<i5sq4s12s9sq")
_NAMES = (b"\x12_id\x00", b"\x07id\x00", b"\x09created\x00")
_SIZE = struct.Struct("<i")
_TYPE = b"\x02type\x00"


class Documents:
    """Is ChunkFormat for `bson`: `_id` is the seq, then come `id`, `created` and the record's other fields, as the log
    has them."""

    def lines(self, heads: list[Head], documents: list[bytes]) -> list[Line]:
        """See ChunkFormat."""
        return [
            (head[0], _document(head, each), head[2], _text(each, 4, _TYPE) or _type(each))
            for head, each in zip(heads, documents, strict=True)
        ]

    def packer(self) -> Packer:
        """See ChunkFormat."""
        return _Packer()

    def records(self, stored: bytes, entry: Entry, wanted: Wanted) -> Iterator[Record[Any]]:
        """See ChunkFormat."""
        for (seq, id, created), begin, end in cut(stored):
            if seq > wanted.last:
                return
            if seq < wanted.first or wanted.id not in (None, id):
                continue
            type = _text(stored, begin, _TYPE)
            if wanted.types is not None and type is not None and type not in wanted.types:
                continue
            found = made_of_bson(seq, id, created, _SIZE.pack(end - begin + 4) + stored[begin:end])
            if (wanted.types is None or found.type in wanted.types) and wanted.key in (None, found.key):
                yield found

    def check(self, stored: bytes, entry: Entry) -> Record[Any]:
        """See ChunkFormat."""
        seq = entry.first
        for (found, _, _), _, _ in cut(stored):
            if found != seq:
                raise ArchiveDamaged(f"where seq {seq} should be, there is {found}")
            seq += 1
        if seq != entry.last + 1:
            raise ArchiveDamaged(f"it has {seq - entry.first:,} record(s), and its manifest entry says {entry.count:,}")
        [newest] = self.records(stored, entry, Wanted(entry.last, entry.last))
        return newest


class _Packer:
    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, lines: Sequence[bytes]) -> None:
        self._parts += lines

    def finish(self) -> bytes:
        return b"".join(self._parts)


def cut(stored: bytes) -> Iterator[tuple[Head, int, int]]:
    """Gives of each document its head, and where its other fields begin and where it ends. Raises ArchiveDamaged."""
    at = 0
    while at < len(stored):
        try:
            size, a, seq, b, id, c, created = _HEAD.unpack_from(stored, at)
        except struct.error as error:
            raise ArchiveDamaged("its last document is cut off") from error
        if (a, b, c) != _NAMES or size < _HEAD.size or at + size > len(stored):
            raise ArchiveDamaged(f"what stands at byte {at:,} is no record")
        yield (seq, id, created), at + _HEAD.size, at + size
        at += size


def _document(head: Head, fields: bytes) -> bytes:
    seq, id, created = head
    size = len(fields) - 4 + _HEAD.size
    return _HEAD.pack(size, _NAMES[0], seq, _NAMES[1], id, _NAMES[2], created) + fields[4:]


def _text(document: bytes, at: int, name: bytes) -> str | None:
    """Reads a text field that begins there; None when another one does. Most drivers write `type` first."""
    if not document.startswith(name, at):
        return None
    begin = at + len(name) + 4
    [size] = _SIZE.unpack_from(document, begin - 4)
    return document[begin : begin + size - 1].decode(errors="replace")


def _type(document: bytes) -> str:
    """Reads `type` wherever it stands."""
    return next(each.value[4:-1].decode(errors="replace") for name, each in elements(document) if name == "type")

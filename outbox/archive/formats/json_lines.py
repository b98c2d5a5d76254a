"""Chunks of lines of JSON, one a record, as they are or compressed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from outbox.archive.formats.chunk_format import Packer, Wanted
from outbox.archive.formats.compression import Compressor, blocks, compressor
from outbox.archive.line import Line, chosen, lines, record
from outbox.archive.manifest import Entry
from outbox.archive.missing_extra import orjson
from outbox.errors import ArchiveDamaged
from outbox.log.batch import Head
from outbox.log.record import Record


class JsonLines:
    """Is ChunkFormat for `jsonl`, `jsonl.gz` and `jsonl.zst`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def lines(self, heads: list[Head], documents: list[bytes]) -> list[Line]:
        """See ChunkFormat."""
        return lines(heads, documents)

    def packer(self) -> Packer:
        """See ChunkFormat."""
        return _Packer(compressor(self._name))

    def records(self, stored: bytes, entry: Entry, wanted: Wanted) -> Iterator[Record[Any]]:
        """See ChunkFormat."""
        for line in chosen(self._candidates(stored, entry, wanted), wanted.types, wanted.key):
            yield record(line)

    def _candidates(self, stored: bytes, entry: Entry, wanted: Wanted) -> Iterator[bytes]:
        """Gives the lines between the two seqs, without those that cannot have one of the types or the key."""
        pattern = _pattern(wanted)
        seq = entry.first
        for block in _whole_lines(blocks(stored, self._name)):
            if seq > wanted.last:
                return
            following = seq + block.count(b"\n")
            if following > wanted.first and (pattern is None or pattern.search(block)):
                begin, end = max(wanted.first, seq), int(min(wanted.last + 1, following))
                for line in block.split(b"\n")[begin - seq : end - seq]:
                    if pattern is None or pattern.search(line):
                        yield line
            seq = following

    def check(self, stored: bytes, entry: Entry) -> Record[Any]:
        """See ChunkFormat."""
        seq, last = entry.first, b""
        for block in _whole_lines(blocks(stored, self._name)):
            found = block.split(b"\n")
            found.pop()
            begins = [b'{"seq":%d,' % each for each in range(seq, seq + len(found))]
            if not all(map(bytes.startswith, found, begins)) or block.count(b"}\n") != len(found):
                _name_the_wrong_one(found, begins)
            seq += len(found)
            last = found[-1]
        if seq != entry.last + 1:
            raise ArchiveDamaged(f"it has {seq - entry.first:,} record(s), and its manifest entry says {entry.count:,}")
        return record(last)


class _Packer:
    def __init__(self, compressor: Compressor) -> None:
        self._compressor = compressor
        self._parts: list[bytes] = []

    def add(self, lines: Sequence[bytes]) -> None:
        self._parts.append(self._compressor.compress(b"".join(lines)))

    def finish(self) -> bytes:
        return b"".join((*self._parts, self._compressor.flush()))


def _pattern(wanted: Wanted) -> re.Pattern[bytes] | None:
    """Makes what is in every wanted line, and in few others: looking for it costs far less than cutting lines."""
    if wanted.id is not None:
        return re.compile(rb'^\{"seq":\d+,"id":"%b"' % wanted.id.hex().encode(), re.MULTILINE)
    if wanted.types is not None:
        return re.compile(b'"type":(?:%b),' % b"|".join(re.escape(orjson.dumps(each)) for each in sorted(wanted.types)))
    return None if wanted.key is None else re.compile(re.escape(b'"key":%b,' % orjson.dumps(wanted.key)))


def _whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Gives blocks that begin and end where lines do. Raises ArchiveDamaged when the last one does not end."""
    rest: list[bytes] = []
    for block in blocks:
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((*rest, block[:end]))
            rest = []
        rest.append(block[end:])
    if any(rest):
        raise ArchiveDamaged("its last line is cut off")


def _name_the_wrong_one(lines: Sequence[bytes], begins: Sequence[bytes]) -> None:
    for line, begin in zip(lines, begins, strict=True):
        if not line.startswith(begin) or not line.endswith(b"}"):
            raise ArchiveDamaged(f"where seq {begin[7:-1].decode()} should be, there is {line!r:.100}")

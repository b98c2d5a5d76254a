"""The log's document, a record batch: packed by splicing raw BSON, read by fixed offsets."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import bson
from bson import Int64
from bson.errors import InvalidBSON

from outbox.errors import LogCorrupt
from outbox.log.record import Decode, Record
from outbox.log.undecoded import Undecoded, is_partial
from outbox.mongo.codec import DECODED, decoded

MAX_RECORDS = 500
MAX_BYTES = 1 << 20
PORTION = 50
"""Records that are decoded at a time. With 200 subscribers, 1,000 each made Python's garbage collector take two thirds
of all time, and 1.3 GiB (measured)."""
MAX_DOCUMENT = 16 << 20
"""The server's limit for one document."""
LARGEST_MESSAGE = MAX_DOCUMENT - (16 << 10)
"""The most `max_message_bytes` can be: a message must also fit into the log and the dead letters, envelope and all."""

_RECORD = struct.Struct("<i4s12s9sq")
_ENVELOPE = struct.Struct("<i5sq6sq7sq11sq9s")
_NAMES = (b"\x12_id\x00", b"\x12last\x00", b"\x12fence\x00", b"\x12undeleted\x00", b"\x04records\x00")
_RECORD_NAMES = (b"\x07id\x00", b"\x09created\x00")
_INDEXES = [b"\x03%d\x00" % index for index in range(MAX_RECORDS)]

Head = tuple[int, bytes, int]
"""Of a record its seq, its id and `created` in milliseconds."""

ENVELOPE_BYTES = 256
"""More than an envelope and one record's names take; what a message needs in the log beyond its own size."""

GENESIS: dict[str, Any] = {
    "_id": Int64(0),
    "last": Int64(0),
    "fence": Int64(0),
    "undeleted": Int64(1),
    "records": [],
    "format": 1,
}


def record_size(rest: bytes) -> int:
    """The bytes that `record` makes of it."""
    return _RECORD.size + len(rest)


def record(id: bytes, created: int, rest: bytes) -> tuple[bytes, bytes]:
    """One element of `records`, in two parts: `rest`, as `Staged` has it, is copied only once, by `pack`.

    created: in milliseconds since the epoch.
    """
    return _RECORD.pack(_RECORD.size + len(rest), _RECORD_NAMES[0], id, _RECORD_NAMES[1], created), rest


def pack(first: int, fence: int, undeleted: int, records: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A whole batch document, numbered from `first`; at most MAX_RECORDS records."""
    array = [part for index, (head, rest) in zip(_INDEXES, records, strict=False) for part in (index, head, rest)]
    size = sum(map(len, array)) + 5
    names = _NAMES
    head = _ENVELOPE.pack(
        _ENVELOPE.size + size + 1,
        *(names[0], first, names[1], first + len(records) - 1, names[2], fence, names[3], undeleted, names[4]),
    )
    return b"".join((head, size.to_bytes(4, "little"), *array, b"\x00\x00"))


def cut(sizes: Sequence[int], alone: Sequence[bool]) -> Iterator[slice]:
    """Cuts records of these sizes into batches of at most MAX_RECORDS and MAX_BYTES.

    A larger record stands in a batch of its own, and so does one that is marked.
    """
    start = size = 0
    for index, (each, apart) in enumerate(zip(sizes, alone, strict=True)):
        full = size + each > MAX_BYTES or index - start == MAX_RECORDS
        if index > start and (apart or alone[index - 1] or full):
            yield slice(start, index)
            start, size = index, 0
        size += each
    if sizes:
        yield slice(start, len(sizes))


class Batch(NamedTuple):
    """A batch as read from the log; its records are decoded only when asked for."""

    first: int
    last: int
    fence: int
    undeleted: int
    raw: bytes
    """The whole document."""
    skip: int = 0
    """How many of its first records come before the position that was asked for: they are in `raw` all the same."""

    @property
    def gives(self) -> int:
        """How many records it gives: all but the `skip` first."""
        return self.last - self.first + 1 - self.skip

    def heads(self) -> list[Head]:
        """What stands before each record but for the `skip` first; nothing is decoded. Raises as `records`."""
        return [head for head, _, _ in self._cut()]

    def documents(self) -> tuple[list[Head], list[bytes]]:
        """The same, and each record's other fields as a BSON document; nothing is decoded."""
        cut = list(self._cut())
        documents = [(end - start + 4).to_bytes(4, "little") + self.raw[start:end] for _, start, end in cut]
        return [head for head, _, _ in cut], documents

    def record(self, seq: int) -> Record[Any]:
        """One of them. Raises as `records`."""
        [one] = next(self._replace(skip=seq - self.first).portions(most=1))
        return one

    def records(self, decode: Decode | None = None) -> list[Record[Any]]:
        """Every record, but for the `skip` first. Raises LogCorrupt when one is not as `record` makes it."""
        return [record for portion in self.portions(decode, MAX_RECORDS) for record in portion]

    def portions(self, decode: Decode | None = None, most: int = PORTION) -> Iterator[list[Record[Any]]]:
        """The same, at most so many at a time, each time decoded in one call: that costs less than one by one."""
        heads: list[Head] = []
        parts: list[bytes] = []
        for head, start, end in self._cut():
            heads.append(head)
            index = _INDEXES[head[0] - self.first]
            parts += index, (end - start + 4).to_bytes(4, "little"), self.raw[start:end]
            if len(heads) == most:
                yield _records(heads, parts, decode)
                heads, parts = [], []
        if heads:
            yield _records(heads, parts, decode)

    def _cut(self) -> Iterator[tuple[Head, int, int]]:
        """Where in `raw` what comes after its head begins and ends, of every record but the `skip` first."""
        at = _ENVELOPE.size
        end = at + int.from_bytes(self.raw[at : at + 4], "little") - 1
        at += 4
        for number, index in enumerate(_INDEXES):
            if at >= end:
                break
            at += len(index)
            size, id_name, id, created_name, created = _RECORD.unpack_from(self.raw, at)
            if (id_name, created_name) != _RECORD_NAMES:
                raise LogCorrupt(f"record {number} of the batch {self.first} in the log does not begin with its id")
            if number >= self.skip:
                yield (self.first + number, id, created), at + _RECORD.size, at + size
            at += size


def _records(heads: list[Head], parts: list[bytes], decode: Decode | None) -> list[Record[Any]]:
    return [
        Record(seq, id, created, fields, decode)
        for (seq, id, created), fields in zip(heads, _decoded(heads, parts), strict=True)
    ]


def _decoded(heads: list[Head], parts: Sequence[bytes]) -> list[dict[str, Any]]:
    """The documents of an array's index, size, content, index, size, content …"""
    try:
        return list(bson.decode(_document(b"".join(parts)), codec_options=DECODED)["records"])
    except InvalidBSON:  # the server stores what the driver does not read; it shall not hide the others
        documents = [decoded(size + rest) for size, rest in zip(parts[1::3], parts[2::3], strict=True)]
        return [
            Undecoded(each, seq, id) if is_partial(each) else each
            for (seq, id, _), each in zip(heads, documents, strict=True)
        ]


def _document(array: bytes) -> bytes:
    return b"".join(
        (
            (len(array) + 5 + len(_NAMES[4]) + 5).to_bytes(4, "little"),
            _NAMES[4],
            (len(array) + 5).to_bytes(4, "little"),
            array,
            b"\x00\x00",
        )
    )


def parse(raw: bytes) -> Batch:
    """Reads the envelope. Raises LogCorrupt when the document is not a batch of this library's."""
    if len(raw) < _ENVELOPE.size:
        raise LogCorrupt(f"a document of {len(raw)} bytes in the log is no record batch; only a sequencer writes there")
    _, a, first, b, last, c, fence, d, undeleted, e = _ENVELOPE.unpack_from(raw)
    if (a, b, c, d, e) == _NAMES:
        return Batch(first, last, fence, undeleted, raw)
    raise LogCorrupt(
        f"the document {bson.decode(raw, codec_options=DECODED).get('_id')!r} of the log is no record batch; "
        "only the sequencer may write there"
    )

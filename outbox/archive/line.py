"""A line of a chunk: one record, written from the log's BSON, and read or passed over."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import bson
from bson.errors import BSONError, InvalidBSON

from outbox import dates
from outbox.archive.extended_json import careful, default, is_suspect, read
from outbox.archive.missing_extra import orjson
from outbox.errors import ArchiveDamaged
from outbox.log.batch import Head
from outbox.log.record import Record, moment
from outbox.log.undecoded import Undecoded, is_partial, shown
from outbox.mongo.codec import DECODED, STORED, Document, decoded

try:
    from outbox.archive._lines import write
except ImportError:  # it is built where there is a C compiler; without it everything works, more slowly
    write = None  # type: ignore[assignment]  # its stub knows nothing of that

Line = tuple[int, bytes, int, str]
"""`(seq, line, created in ms, type)`. A plain tuple, for speed: one is made for each record."""
NAMES = ("type", "key", "headers", "data")
_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME
_AS_STORED = STORED.with_options(tz_aware=False)
"""Without UUIDs, which the JSON library would write as plain text, and without zones, which cost time."""
_BREAK, _BROKEN = orjson.Fragment(b"\n"), b",\n,"
"""Between the lines of one call, and what it makes of it: JSON has a line's end only where it is put."""
_TEXT = rb'"(?:[^"\\]|\\.)*+"'
FLAT = rb"\{(?:" + _TEXT + b":" + _TEXT + rb",?)*+\}"
"""An object whose values are texts, as headers are."""
HEAD = re.compile(
    rb'\{"seq":(\d+),"id":"([0-9a-f]{24})","created":"([^"]*)","type":(' + _TEXT + rb'),"key":(null|' + _TEXT + rb"),"
)
"""What every line begins with; all that choosing records needs."""


def is_native() -> bool:
    """Tells whether the writer of lines in C was built."""
    return write is not None


def lines(heads: list[Head], documents: list[bytes]) -> list[Line]:
    """Writes records: what comes before each, and its `type`, `key`, `headers` and `data` as BSON."""
    written = [None] * len(heads) if write is None else write(heads, documents)
    left = [at for at, line in enumerate(written) if line is None]
    if left:
        for at, line in zip(left, _by_python([heads[at] for at in left], [documents[at] for at in left]), strict=True):
            written[at] = line
    return written  # type: ignore[return-value]  # nothing is left of it


def _by_python(heads: Sequence[Head], documents: Sequence[bytes]) -> list[Line]:
    array = b"".join([b"\x03%d\x00%b" % (index, document) for index, document in enumerate(documents)])
    whole = b"%b\x04r\x00%b%b\x00\x00" % (
        (len(array) + 13).to_bytes(4, "little"), (len(array) + 5).to_bytes(4, "little"), array,
    )  # fmt: skip
    try:
        fields: list[Document] = bson.decode(whole, _AS_STORED)["r"]
        if bson.encode({"r": fields}, codec_options=_AS_STORED) == whole:
            return _unsuspected(heads, documents, fields) if is_suspect(whole) else _plain(heads, fields)
    except (BSONError, TypeError):
        pass
    if len(documents) == 1:
        return [_exact(heads[0], documents[0])]
    half = len(documents) // 2  # what the JSON library does not write is mostly one of many
    return _by_python(heads[:half], documents[:half]) + _by_python(heads[half:], documents[half:])


def _unsuspected(heads: Sequence[Head], documents: Sequence[bytes], fields: Sequence[Document]) -> list[Line]:
    suspects = [is_suspect(document) for document in documents]
    if not any(suspects):
        return _plain(heads, fields)
    plain = [(head, each) for head, each, suspect in zip(heads, fields, suspects, strict=True) if not suspect]
    written = iter(_plain(*zip(*plain, strict=True)) if plain else ())
    return [
        _exact(head, document) if suspect else next(written)
        for head, document, suspect in zip(heads, documents, suspects, strict=True)
    ]


def _plain(heads: Sequence[Head], fields: Sequence[Document]) -> list[Line]:
    """Writes values of the usual types, all in one call. Raises TypeError when there are others."""
    parts: list[object] = []
    for (seq, id, created), each in zip(heads, fields, strict=True):
        if tuple(each) != NAMES:
            if len(each) != len(NAMES):
                raise TypeError("other fields")
            each = {name: each[name] for name in NAMES}  # noqa: PLW2901  # in the order of a line
        parts += ({"seq": seq, "id": id.hex(), "created": _text(created), **each}, _BREAK)
    texts = orjson.dumps(parts, default, _OPTIONS)[1:-3].split(_BROKEN)
    return [
        (head[0], line + b"\n", head[2], each["type"]) for head, line, each in zip(heads, texts, fields, strict=True)
    ]


@lru_cache(maxsize=16)
def _text(created: int) -> str:
    """Writes as dates.text does; many records of a batch are of the same millisecond."""
    seconds, milliseconds = divmod(created, 1000)
    return f"{_seconds(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=16)
def _seconds(seconds: int) -> str:
    return dates.text(moment(seconds * 1000))[:-5]


def created_ms(text: str) -> int:
    """Reads `created` of a line. Raises ValueError."""
    if text[-5:-4] != "." or text[-1:] != "Z":
        raise ValueError(f"{text!r:.100} is no date")
    return _milliseconds(text[:-5]) + int(text[-4:-1])


@lru_cache(maxsize=16)
def _milliseconds(seconds: str) -> int:
    return dates.milliseconds_of(f"{seconds}.000Z")


def _exact(head: Head, document: bytes) -> Line:
    """Writes any record, and reads it back: what Extended JSON cannot say stands in `bson` beside it."""
    seq, id, created = head
    fields = _stored(document)
    line: dict[str, Any] = {"seq": seq, "id": id.hex(), "created": _text(created)}
    try:
        line |= {name: careful(shown(fields.get(name))) for name in NAMES}
        text: bytes = orjson.dumps(line, None, _OPTIONS)
        if bson.encode(_fields(orjson.loads(text), text), codec_options=DECODED) == document:
            return seq, text + b"\n", created, fields["type"]
    except (TypeError, ValueError, OverflowError, BSONError):
        line |= {name: line.get(name) for name in NAMES}
    line["bson"] = base64.b64encode(document).decode()
    return seq, orjson.dumps(line, None, _OPTIONS) + b"\n", created, fields["type"]


def _stored(document: bytes) -> Document:
    try:
        return bson.decode(document, STORED)
    except InvalidBSON:
        return decoded(document)


def record(line: bytes) -> Record[Any]:
    """Reads a line. Raises ArchiveDamaged for what is none."""
    try:
        found = orjson.loads(line)
        seq, id, created = found["seq"], bytes.fromhex(found["id"]), created_ms(found["created"])
        if "bson" in found:
            return made_of_bson(seq, id, created, base64.b64decode(found["bson"]))
        return Record(seq, id, created, _fields(found, line))
    except (ValueError, KeyError, TypeError, BSONError) as error:
        raise ArchiveDamaged(f"a line is no record ({error!r:.200}): {line!r:.200}") from error


def _fields(found: Document, line: bytes) -> Document:
    if b'"$' not in line:
        return {name: found[name] for name in NAMES}
    return {name: read(found[name]) for name in NAMES}


def made_of_bson(seq: int, id: bytes, created: int, document: bytes) -> Record[Any]:
    """Makes a record of its other fields as BSON."""
    fields = decoded(document)
    return Record(seq, id, created, Undecoded(fields, seq, id) if is_partial(fields) else fields)


def chosen(lines: Iterable[bytes], types: frozenset[str] | None, key: str | None) -> Iterable[bytes]:
    """Gives the lines of records of these types and this key; no other line is parsed. None: of all."""
    names = None if types is None else {orjson.dumps(name) for name in types}
    wanted = None if key is None else orjson.dumps(key)
    for line in lines:
        head = HEAD.match(line)
        if head is None:
            raise ArchiveDamaged(f"a line does not begin as a record does: {line!r:.200}")
        if (names is None or head[4] in names) and (wanted is None or head[5] == wanted):
            yield line

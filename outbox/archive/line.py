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

Line = tuple[int, bytes, int, str]
"""`(seq, line, created in ms, type)`. A plain tuple, for speed: one is made for each record."""
NAMES = ("type", "key", "headers", "data")
_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_APPEND_NEWLINE
_TEXT = rb'"(?:[^"\\]|\\.)*"'
HEAD = re.compile(
    rb'\{"seq":(\d+),"id":"([0-9a-f]{24})","created":"([^"]*)","type":(' + _TEXT + rb'),"key":(null|' + _TEXT + rb"),"
)
"""What every line begins with; all that choosing records needs."""


def lines(heads: Sequence[Head], documents: Sequence[bytes]) -> list[Line]:
    """Writes records: what comes before each, and its `type`, `key`, `headers` and `data` as BSON."""
    array = b"".join(b"\x03%d\x00%b" % (index, document) for index, document in enumerate(documents))
    whole = b"%b\x04r\x00%b%b\x00\x00" % (
        (len(array) + 13).to_bytes(4, "little"), (len(array) + 5).to_bytes(4, "little"), array,
    )  # fmt: skip
    fields: Document = {}
    try:
        fields = bson.decode(whole, STORED)  # the JSON library would write a UUID of Python's as plain text
        is_plain = not is_suspect(whole) and bson.encode(fields, codec_options=STORED) == whole
    except BSONError:
        is_plain = False
    if not is_plain:
        return [_line(head, document) for head, document in zip(heads, documents, strict=True)]
    return [
        _plain(head, each) or _exact(head, document)
        for head, each, document in zip(heads, fields["r"], documents, strict=True)
    ]


def _line(head: Head, document: bytes) -> Line:
    if not is_suspect(document):
        try:
            fields = bson.decode(document, STORED)
            if bson.encode(fields, codec_options=STORED) == document:
                return _plain(head, fields) or _exact(head, document)
        except BSONError:
            pass  # the server stores what the driver does not read
    return _exact(head, document)


def _plain(head: Head, fields: Document) -> Line | None:
    """Writes values of the usual types; None when there are others."""
    if len(fields) != len(NAMES):
        return None
    seq, id, created = head
    try:
        text = orjson.dumps(
            {"seq": seq, "id": id.hex(), "created": _text(created), "type": fields["type"],
             "key": fields["key"], "headers": fields["headers"], "data": fields["data"]},
            default, _OPTIONS,
        )  # fmt: skip
    except TypeError:
        return None
    return seq, text, created, fields["type"]


def _text(created: int) -> str:
    """Writes as dates.text does; most records of a batch are of the same second or two."""
    seconds, milliseconds = divmod(created, 1000)
    return f"{_seconds(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=16)
def _seconds(seconds: int) -> str:
    return dates.text(moment(seconds * 1000))[:-5]


def _exact(head: Head, document: bytes) -> Line:
    """Writes any record, and reads it back: what Extended JSON cannot say stands in `bson` beside it."""
    seq, id, created = head
    fields = _stored(document)
    line: dict[str, Any] = {"seq": seq, "id": id.hex(), "created": _text(created)}
    try:
        line |= {name: careful(shown(fields.get(name))) for name in NAMES}
        text: bytes = orjson.dumps(line, None, _OPTIONS)
        if bson.encode(_fields(orjson.loads(text), text), codec_options=DECODED) == document:
            return seq, text, created, fields["type"]
    except (TypeError, ValueError, OverflowError, BSONError):
        line |= {name: line.get(name) for name in NAMES}
    line["bson"] = base64.b64encode(document).decode()
    return seq, orjson.dumps(line, None, _OPTIONS), created, fields["type"]


def _stored(document: bytes) -> Document:
    try:
        return bson.decode(document, STORED)
    except InvalidBSON:
        return decoded(document)


def record(line: bytes) -> Record[Any]:
    """Reads a line. Raises ArchiveDamaged for what is none."""
    try:
        found = orjson.loads(line)
        seq, id, created = found["seq"], bytes.fromhex(found["id"]), dates.milliseconds_of(found["created"])
        if "bson" in found:
            fields = decoded(base64.b64decode(found["bson"]))
            return Record(seq, id, created, Undecoded(fields, seq, id) if is_partial(fields) else fields)
        return Record(seq, id, created, _fields(found, line))
    except (ValueError, KeyError, TypeError, BSONError) as error:
        raise ArchiveDamaged(f"a line is no record ({error!r:.200}): {line!r:.200}") from error


def _fields(found: Document, line: bytes) -> Document:
    if b'"$' not in line:
        return {name: found[name] for name in NAMES}
    return {name: read(found[name]) for name in NAMES}


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

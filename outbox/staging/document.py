"""Writes and reads staging documents as raw BSON; they are the public contract for putting from any language."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import bson
from bson import ObjectId, Timestamp
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions

from outbox.log.batch import LARGEST_MESSAGE
from outbox.mongo.elements import DATE, DOCUMENT, NULL, OBJECT_ID, TEXT, TIMESTAMP, Element, elements
from outbox.mongo.elements import document as joined

ENCODED: CodecOptions[dict[str, Any]] = CodecOptions(uuid_representation=UuidRepresentation.STANDARD)

# How this library's own documents begin: length, `_id`, 12 bytes, `at`, increment, seconds, `created`, milliseconds.
_HEAD = struct.Struct("<i5s12s4sII9sq")
_FRONT = re.compile(
    rb"\x02type\0.{4}[^\0]*\0(?:\x02key\0.{4}[^\0]*\0|\x0akey\0)\x03headers\0",
    re.DOTALL,  # a text with a zero character in it does not match: such a document is decoded instead
)
_NAMES = (b"\x07_id\x00", b"\x11at\x00", b"\x09created\x00")
_STAMP = struct.Struct("<II")  # increment, seconds
_CREATED = struct.Struct("<q")
_TYPES = {
    "_id": (OBJECT_ID,), "at": (TIMESTAMP,), "created": (DATE,), "type": (TEXT,), "key": (TEXT, NULL),
    "headers": (DOCUMENT,), "data": (DOCUMENT, NULL),
}  # fmt: skip
_RECORD = ("type", "key", "headers", "data")
_INVALID = 121  # DocumentValidationFailure
_TOO_LARGE = 10334  # BSONObjectTooLarge


def encode(
    id: ObjectId, created: int, type: str, key: str | None, headers: Mapping[str, str], data: Mapping[str, Any] | None
) -> bytes:
    """Encodes one staging document. `created` is in milliseconds since the epoch; the server fills in `at`."""
    encoded = None if data is None else bson.encode(data, codec_options=ENCODED)
    return compose(id, created, type, key, headers_element(headers), encoded)


def headers_element(headers: Mapping[str, str]) -> bytes:
    """Encodes the headers as the field that `compose` takes."""
    return b"\x03headers\0" + joined(b"\x02%b\0%b" % (name.encode(), _text(headers[name])) for name in headers)


def compose(id: ObjectId, created: int, type: str, key: str | None, headers: bytes, data: bytes | None) -> bytes:
    """Makes one staging document of parts that are encoded already, as `encode` does."""
    front = (
        b"\x02type\0%b\x0akey\0" % _text(type)
        if key is None
        else b"\x02type\0%b\x02key\0%b" % (_text(type), _text(key))
    )
    end, data = (b"\x0adata\0\0", b"") if data is None else (b"\0", b"\x03data\0" + data)
    size = _HEAD.size + len(front) + len(headers) + len(data) + len(end)
    id_name, at_name, created_name = _NAMES
    head = _HEAD.pack(size, id_name, id.binary, at_name, 0, 0, created_name, created)
    return b"".join((head, front, headers, data, end))


def _text(text: str) -> bytes:
    encoded = text.encode()
    return b"%b%b\0" % ((len(encoded) + 1).to_bytes(4, "little"), encoded)


class Malformed(ValueError):
    """A document that breaks the contract: the validator was bypassed, or is not there. Never leaves the package."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code
        """The server's error code, as if the server had refused the document."""


class Staged(NamedTuple):
    """Holds a staging document taken apart for the log; the message itself is not decoded."""

    id: bytes
    at: int
    """The server's logical time, whole seconds since the epoch."""
    created: int
    """Milliseconds since the epoch, as the putter's clock had it."""
    rest: bytes
    """`type`, `key`, `headers` and `data` as BSON elements, with the closing zero byte."""


def parse(document: bytes) -> Staged:
    """Takes a staging document apart: at fixed offsets, or field by field when another language ordered them otherwise.

    Raises Malformed, also for a document too large for a dead letter: no validator of ours lets that in.
    """
    if len(document) > LARGEST_MESSAGE:
        raise Malformed(f"{len(document)} bytes are more than the largest message has", _TOO_LARGE)
    if len(document) > _HEAD.size:
        _, id_name, id, at_name, _, at, created_name, created = _HEAD.unpack_from(document)
        if (id_name, at_name, created_name) == _NAMES:
            rest = document[_HEAD.size :]
            if _is_whole(rest):
                return Staged(id, at, created, rest)
    return _reordered(document)


def stamp(document: bytes) -> Timestamp | None:
    """Returns the server's stamp `at` of a staging document; None when `at` is no stamp."""
    if len(document) > _HEAD.size:
        _, id_name, _, at_name, increment, seconds, created_name, _ = _HEAD.unpack_from(document)
        if (id_name, at_name, created_name) == _NAMES:
            return Timestamp(seconds, increment)
    at = dict(elements(document)).get("at")
    return Timestamp(*reversed(_STAMP.unpack(at.value))) if at is not None and at.type == TIMESTAMP else None


def _is_whole(rest: bytes) -> bool:
    """Tells whether these are the four fields of a record, in our order and of the right types."""
    front = _FRONT.match(rest)
    if front is None:
        return False
    end = front.end() + _size(rest, front.end())
    if rest[end : end + 6] == b"\x03data\x00":
        return end + 6 + _size(rest, end + 6) == len(rest) - 1
    return rest[end:] == b"\x0adata\x00\x00"


def _size(rest: bytes, at: int) -> int:
    return int.from_bytes(rest[at : at + 4], "little")


def _reordered(document: bytes) -> Staged:
    fields = dict(elements(document))
    if any(name not in fields or fields[name].type not in types for name, types in _TYPES.items()):
        names = ", ".join(f"{name}: {field.kind}" for name, field in fields.items())
        raise Malformed(f"not a staging document ({names[:500]})", _INVALID)
    _, at = _STAMP.unpack(fields["at"].value)
    (created,) = _CREATED.unpack(fields["created"].value)
    rest = b"".join(fields[name].named(name.encode()) for name in _RECORD)
    return Staged(fields["_id"].value, at, created, rest + b"\0")


def document(staged: Staged) -> bytes:
    """Puts a staging document together again, without its stamp."""
    id, created = Element(OBJECT_ID, staged.id), Element(DATE, _CREATED.pack(staged.created))
    return joined([id.named(b"_id"), created.named(b"created"), staged.rest[:-1]])

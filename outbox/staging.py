"""The staging document: the public contract that any language can put by, written and read here as raw BSON."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import bson
from bson import ObjectId, Timestamp
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument

ENCODED: CodecOptions[dict[str, Any]] = CodecOptions(uuid_representation=UuidRepresentation.STANDARD)
_SHALLOW = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="replace",  # as readers of the log have it
)
_UNSTAMPED = Timestamp(0, 0)

# length, `_id`, 12 bytes, `at`, increment, seconds, `created`, milliseconds: as this library's own documents begin.
_HEAD = struct.Struct("<i5s12s4sII9sq")
_FRONT = re.compile(
    rb"\x02type\0.{4}[^\0]*\0(?:\x02key\0.{4}[^\0]*\0|\x0akey\0)\x03headers\0",
    re.DOTALL,  # a text with a zero character in it does not match: such a document is decoded instead
)
_NAMES = (b"\x07_id\x00", b"\x11at\x00", b"\x09created\x00")


def encode(
    id: ObjectId, created: int, type: str, key: str | None, headers: Mapping[str, str], data: Mapping[str, Any]
) -> bytes:
    """One staging document. `created` is in milliseconds since the epoch; the server fills in `at`."""
    return bson.encode(
        {
            "_id": id,
            "at": _UNSTAMPED,
            "created": DatetimeMS(created),
            "type": type,
            "key": key,
            "headers": headers,
            "data": data,
        },
        codec_options=ENCODED,
    )


class Malformed(ValueError):
    """A document that breaks the contract: the validator was bypassed, or is not there. Never leaves the package."""


class Staged(NamedTuple):
    """A staging document taken apart for the log: nothing of the message itself is decoded."""

    id: bytes
    at: int
    """The server's logical time, whole seconds since the epoch."""
    created: int
    """Milliseconds since the epoch, as the putter's clock had it."""
    rest: bytes
    """`type`, `key`, `headers` and `data` as BSON elements, with the closing zero byte."""


def parse(document: bytes) -> Staged:
    """Takes a staging document apart by its fixed offsets, or field by field when another language ordered it so.

    Raises Malformed.
    """
    if len(document) > _HEAD.size:
        _, id_name, id, at_name, _, at, created_name, created = _HEAD.unpack_from(document)
        if (id_name, at_name, created_name) == _NAMES:
            rest = document[_HEAD.size :]
            if _is_whole(rest):
                return Staged(id, at, created, rest)
    return _reordered(document)


def stamp(document: bytes) -> Timestamp | None:
    """The server's stamp `at` of a staging document; None when something else is there."""
    if len(document) > _HEAD.size:
        _, id_name, _, at_name, increment, seconds, created_name, _ = _HEAD.unpack_from(document)
        if (id_name, at_name, created_name) == _NAMES:
            return Timestamp(seconds, increment)
    at = bson.decode(document, codec_options=_SHALLOW).get("at")
    return at if isinstance(at, Timestamp) else None


def _is_whole(rest: bytes) -> bool:
    """Whether these are the four fields that every reader of the log relies on, in our order and of the right types."""
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
    match bson.decode(document, codec_options=_SHALLOW):
        case {
            "_id": ObjectId(binary=id),
            "at": Timestamp(time=at),
            "created": DatetimeMS() as created,
            "type": str() as type,
            "key": (str() | None) as key,
            "headers": RawBSONDocument() as headers,
            "data": (RawBSONDocument() | None) as data,
        }:
            rest = bson.encode({"type": type, "key": key, "headers": headers, "data": data})
            return Staged(id, at, int(created), rest[4:])
        case fields:
            names = ", ".join(f"{name}: {value.__class__.__name__}" for name, value in fields.items())
            raise Malformed(f"not a staging document ({names[:500]})")


def fields(staged: Staged) -> dict[str, Any]:
    """The message's `_id`, `created`, `type`, `key`, `headers` and `data`; the latter two stay raw."""
    document = (4 + len(staged.rest)).to_bytes(4, "little") + staged.rest
    return {
        "_id": ObjectId(staged.id),
        "created": DatetimeMS(staged.created),
        **bson.decode(document, codec_options=_SHALLOW),
    }


def salvage(document: bytes) -> dict[str, Any]:
    """The same of a malformed document, as far as it has them; None for the rest."""
    found = bson.decode(document, codec_options=_SHALLOW)
    return {name: found.get(name) for name in ("_id", "created", "type", "key", "headers", "data")}

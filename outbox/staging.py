"""The staging document: the public contract that any language can put by, written and read here as raw BSON."""

from __future__ import annotations

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
_SHALLOW = CodecOptions(document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_MS)
_UNSTAMPED = Timestamp(0, 0)

# length, `_id`, 12 bytes, `at`, increment, seconds, `created`, milliseconds: as this library's own documents begin.
_HEAD = struct.Struct("<i5s12s4sII9sq")
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
    """Takes a staging document apart by its fixed offsets, or field by field when another language ordered it so."""
    _, id_name, id, at_name, _, at, created_name, created = _HEAD.unpack_from(document)
    if (id_name, at_name, created_name) == _NAMES:
        return Staged(id, at, created, document[_HEAD.size :])
    return _reordered(document)


def _reordered(document: bytes) -> Staged:
    fields = bson.decode(document, codec_options=_SHALLOW)
    rest = bson.encode({name: fields[name] for name in ("type", "key", "headers", "data")})
    return Staged(fields["_id"].binary, fields["at"].time, int(fields["created"]), rest[4:])


def fields(staged: Staged) -> dict[str, Any]:
    """The message's `type`, `key`, `headers` and `data`; the latter two stay raw."""
    document = (4 + len(staged.rest)).to_bytes(4, "little") + staged.rest
    return dict(bson.decode(document, codec_options=_SHALLOW))

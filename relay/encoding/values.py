"""The value of a Kafka record in the encodings that need nothing but the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import bson
import orjson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from outbox.archive.extended_json import careful, default, is_suspect, read
from outbox.log.record import Record
from outbox.messages.json_value import Unencodable, json_value
from outbox.mongo.codec import DECODED, STORED
from relay.encoding.encoder import tombstone

ValueOf = Callable[[Record[Any]], bytes | None]
"""Makes the value of a record. Raises Unencodable, and UndecodableRecord for what the driver cannot read."""
_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME
_NULL = b"null"


def json_of(record: Record[Any]) -> bytes | None:
    """Makes the JSON of the wire contract."""
    data = record.data
    return tombstone(record.headers, _NULL) if data is None else json_value(data)


def bson_of(record: Record[Any]) -> bytes | None:
    """Makes one BSON document, the `data` that was put, also where the driver cannot read all of it. (Bytes of a text
    that are not UTF-8 are U+FFFD, as for all readers.)

    A tombstone that needs a value has one of no bytes.
    """
    data = record.stored["data"]
    if data is None:
        return tombstone(record.headers, b"")
    return bytes(data.raw) if isinstance(data, RawBSONDocument) else bson.encode(data, codec_options=DECODED)


def extended_json_of(record: Record[Any]) -> bytes | None:
    """Makes relaxed MongoDB Extended JSON (v2): each BSON type comes back, NaN and the infinities, too.

    It is canonical where the relaxed form would lose something: an int64 that would fit an int32. Raises Unencodable
    for the few documents that Extended JSON cannot say: with a name that begins with `$`, as it has for itself.
    """
    if record.data is None:
        return tombstone(record.headers, _NULL)
    document = bson_of(record) or b""
    fields = bson.decode(document, STORED)  # not `data`: the JSON library would write a UUID of Python's as plain text
    if not is_suspect(document):
        try:
            return orjson.dumps(fields, default, _OPTIONS)
        except (TypeError, orjson.JSONEncodeError):  # a type that has to be looked at
            pass
    return _carefully(document, fields)


def _carefully(document: bytes, fields: Mapping[str, Any]) -> bytes:
    """Writes it slowly, and reads it back: what would come back as something else is not sent."""
    try:
        text = orjson.dumps(careful(fields), option=_OPTIONS)
        comes_back = bson.encode(read(orjson.loads(text)), codec_options=STORED) == document
    except (TypeError, ValueError, BSONError):
        comes_back, text = False, b""
    if not comes_back:
        raise Unencodable(
            "data has what Extended JSON cannot say, such as a name that begins with '$'; the encoding bson carries it"
        )
    return text

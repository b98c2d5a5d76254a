"""The value of a Kafka record in the encodings that need nothing but the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import bson
import orjson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from outbox.archive.extended_json import careful, default, is_suspect, read
from outbox.log.record import Record
from outbox.messages.compaction import COMPACTION_ID
from outbox.messages.json_value import Unencodable, json_value
from outbox.mongo.codec import DECODED, STORED

ValueOf = Callable[[Record[Any]], bytes | None]
"""Makes the value of a record. Raises Unencodable, and UndecodableRecord for what the driver cannot read."""
_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME
_NULL = b"null"


class Form(NamedTuple):
    """How values are made: in Python by `value`, and just so by the compiled encoder, which knows it by its number."""

    number: int
    value: ValueOf


def tombstone(headers: object, nothing: bytes) -> bytes | None:
    """Makes the value of a tombstone. Kafka's compaction takes null for the end of the whole key: that is a value only
    if the key is all that the tombstone is of; else it is `nothing`."""
    return nothing if isinstance(headers, dict) and COMPACTION_ID in headers else None


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


def _for_a_schema(record: Record[Any]) -> bytes | None:
    """Makes a value only of a tombstone: relay.encoding.shaped makes Avro of the record itself."""
    return tombstone(record.headers, b"") if record.data is None else b""


JSON = Form(0, json_of)
EXTENDED_JSON = Form(1, extended_json_of)
BSON = Form(2, bson_of)
AVRO = Form(BSON.number, _for_a_schema)
"""What Avro is made of: what the compiled encoder leaves of it is the BSON."""

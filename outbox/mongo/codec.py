"""Decodes documents: in one way for all collections of an outbox, also what only the server can read."""

from __future__ import annotations

import contextlib
from typing import Any

import bson
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument

from outbox.mongo.elements import DOCUMENT, Element, elements
from outbox.mongo.elements import document as compose

Document = dict[str, Any]

# The server accepts dates that Python's datetime cannot hold; AUTO decodes those to DatetimeMS instead of raising.
# Text that is not UTF-8 breaks BSON's contract, but the server stores it: U+FFFD, as in MongoDB's Java driver.
DECODED: CodecOptions[Document] = CodecOptions(
    document_class=dict,
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
STORED = DECODED.with_options(uuid_representation=UuidRepresentation.UNSPECIFIED)
"""As DECODED, but for UUIDs: those stay the binary values that they are stored as, of whatever length and subtype."""


def decoded(document: bytes) -> Document:
    """Decodes a document with `DECODED`; with all UUIDs as binary when one of them has not 16 bytes.

    The server stores more than pymongo reads. A field that cannot be decoded is left as a RawBSONDocument: the field's
    own, or a document with this field alone.
    """
    for options in (DECODED, STORED):
        with contextlib.suppress(InvalidBSON):
            return bson.decode(document, codec_options=options)
    return {name: _decoded(name, element) for name, element in elements(document)}


def _decoded(name: str, element: Element) -> Any:
    alone = compose([element.named(name.encode())])
    for options in (DECODED, STORED):
        with contextlib.suppress(InvalidBSON):
            return next(iter(bson.decode(alone, codec_options=options).values()))
    return RawBSONDocument(element.value if element.type == DOCUMENT else alone)

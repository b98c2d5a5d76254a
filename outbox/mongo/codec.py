"""How documents are decoded: the same for all collections of an outbox, and forgiving of what only the server reads."""

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
# Text that is not UTF-8 breaks BSON's contract, but the server stores it: U+FFFD, as MongoDB's Java driver decodes it.
DECODED: CodecOptions[Document] = CodecOptions(
    document_class=dict,
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_UUIDS_AS_BINARY = DECODED.with_options(uuid_representation=UuidRepresentation.UNSPECIFIED)


def decoded(document: bytes) -> Document:
    """A document as `DECODED` has it; all its UUIDs as binary when one is not of 16 bytes, which the server stores.

    A field that cannot be decoded, for the server stores more than pymongo reads, is left as a RawBSONDocument: the
    field's own, or one of this field alone.
    """
    for options in (DECODED, _UUIDS_AS_BINARY):
        with contextlib.suppress(InvalidBSON):
            return bson.decode(document, codec_options=options)
    return {name: _decoded(name, element) for name, element in elements(document)}


def _decoded(name: str, element: Element) -> Any:
    alone = compose([element.named(name.encode())])
    for options in (DECODED, _UUIDS_AS_BINARY):
        with contextlib.suppress(InvalidBSON):
            return next(iter(bson.decode(alone, codec_options=options).values()))
    return RawBSONDocument(element.value if element.type == DOCUMENT else alone)

"""Cuts a BSON document's fields out as bytes, and puts documents together from them, with no value decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

TEXT, DOCUMENT, ARRAY, OBJECT_ID, DATE, NULL, TIMESTAMP = 0x02, 0x03, 0x04, 0x07, 0x09, 0x0A, 0x11

_NAMES = {
    0x01: "double", TEXT: "string", DOCUMENT: "object", ARRAY: "array", 0x05: "binData", 0x06: "undefined",
    OBJECT_ID: "objectId", 0x08: "bool", DATE: "date", NULL: "null", 0x0B: "regex", 0x0C: "dbPointer",
    0x0D: "javascript", 0x0E: "symbol", 0x0F: "javascriptWithScope", 0x10: "int", TIMESTAMP: "timestamp",
    0x12: "long", 0x13: "decimal", 0x7F: "maxKey", 0xFF: "minKey",
}  # fmt: skip
_FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
_PREFIXED = {TEXT: 4, DOCUMENT: 0, ARRAY: 0, 0x05: 5, 0x0C: 16, 0x0D: 4, 0x0E: 4, 0x0F: 0}
"""How many bytes a value has beside those that its first four bytes count."""


class Element(NamedTuple):
    """One field: its type and its value's bytes."""

    type: int
    value: bytes

    @property
    def kind(self) -> str:
        """Names the type as the server's `$type` does."""
        return _NAMES[self.type]

    def named(self, name: bytes) -> bytes:
        """Encodes the field under this name, as it stands in a document."""
        return b"%c%b\0%b" % (self.type, name, self.value)


def elements(document: bytes) -> Iterator[tuple[str, Element]]:
    """Yields the fields of a document from a server, which has checked all lengths."""
    at, end = 4, len(document) - 1
    while at < end:
        type = document[at]
        start = document.index(b"\0", at) + 1
        name = document[at + 1 : start - 1].decode(errors="replace")
        at = start + _size(type, document, start)
        yield name, Element(type, document[start:at])


def _size(type: int, document: bytes, at: int) -> int:
    if type in _FIXED:
        return _FIXED[type]
    if type == 0x0B:  # two texts that end with a zero
        return document.index(b"\0", document.index(b"\0", at) + 1) + 1 - at
    return _PREFIXED[type] + int.from_bytes(document[at : at + 4], "little")


def document(fields: Iterable[bytes]) -> bytes:
    """Makes a document of fields, each as `Element.named` returns it."""
    body = b"".join(fields)
    return b"%b%b\0" % ((len(body) + 5).to_bytes(4, "little"), body)

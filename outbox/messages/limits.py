"""Limits a message's key and headers. `put` checks them, and staging's validator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from outbox.errors import InvalidHeaders, InvalidMessage
from outbox.messages.compaction import COMPACTION_ID
from outbox.messages.versions import SCHEMA_VERSION

RESERVED_HEADERS = ("id", "seq", "log", "created", "type")
"""Header names that the relay sets itself."""

ORIGIN_HEADERS = ("origin-outbox", "origin-seq", "origin-id", "origin-created")
"""Header names that an import and a mirror set. They put a message once by them, so `put` takes none: two messages that
were made from one that was imported, with its headers, would be one message to the next import."""

KEY_CHARACTERS = 1024
"""The longest key: every consumer that goes by key keeps each of them, and so do the dead letters' index."""
HEADERS = 64
"""The most headers of one message. Brokers and clients have no limit, and read all headers each time."""
HEADER_CHARACTERS = 8192
"""The longest header value, as long as HTTP servers and W3C's `baggage` allow."""

# Header names that every broker, shell, log and HTTP bridge takes as they are. Python and PCRE read it alike.
_NAME = r"[A-Za-z0-9._:-]{1,128}"
_CLEAN = r"[^\x00-\x1f\x7f]*"
_header_name, _clean_text = re.compile(_NAME), re.compile(_CLEAN)

_FORBIDDEN: dict[str, Any] = {"not": {}}
KEY_SCHEMA: dict[str, Any] = {
    "bsonType": ["string", "null"],
    "maxLength": KEY_CHARACTERS,
    "pattern": rf"^{_CLEAN}\z",
}
"""The `$jsonSchema` of a key."""
HEADERS_SCHEMA: dict[str, Any] = {
    "bsonType": "object",
    "maxProperties": HEADERS,
    "properties": dict.fromkeys(RESERVED_HEADERS, _FORBIDDEN),
    "patternProperties": {
        rf"^{_NAME}\z": {"bsonType": "string", "maxLength": HEADER_CHARACTERS, "pattern": rf"^{_CLEAN}\z"}
    },
    "additionalProperties": False,
}
"""The `$jsonSchema` of all headers."""


def check_key(type: str, key: str | None, what: str = "key") -> None:
    """Raises InvalidMessage for a key, or compaction id, that is too long or holds a control character."""
    if key is None:
        return
    if len(key) > KEY_CHARACTERS:
        raise InvalidMessage(f"{type}: a {what} of {len(key)} characters; at most {KEY_CHARACTERS}: use a hash of it")
    if not _clean_text.fullmatch(key):
        raise InvalidMessage(f"{type}: the {what} {key!r} holds a control character")


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Checks headers and returns them as a dict. Raises InvalidHeaders, which never shows a header's value."""
    untyped: object = headers
    if type(untyped) is not dict and not isinstance(untyped, Mapping):
        raise InvalidHeaders(f"headers are a {type(untyped).__name__}: give a mapping of text to text")
    if len(untyped) > HEADERS:
        raise InvalidHeaders(f"{len(untyped)} headers; at most {HEADERS}: put the rest into the message's data")
    for name, value in untyped.items():
        _check_header(name, value)
    return dict(headers)


def _check_header(name: object, value: object) -> None:
    if not isinstance(name, str) or not isinstance(value, str):
        raise InvalidHeaders(
            f"header {name!r}: a {type(value).__name__}; names and values are text, so encode others yourself"
        )
    if name == COMPACTION_ID:
        raise InvalidHeaders(f"the header name {name!r} is reserved: tombstone(…) sets it itself. Choose another name")
    if name == SCHEMA_VERSION:
        raise InvalidHeaders(f"the header name {name!r} is reserved: put sets it itself, from @message(…, version=…)")
    if name in RESERVED_HEADERS:
        raise InvalidHeaders(f"the header name {name!r} is reserved: the relay sets it itself. Choose another name")
    if name in ORIGIN_HEADERS:
        raise InvalidHeaders(
            f"the header name {name!r} is reserved: an import and a mirror set it, and know a message by it. Leave it "
            "out of the headers that you pass on"
        )
    if not _header_name.fullmatch(name):
        raise InvalidHeaders(
            f"the header name {name[:150]!r} cannot be used: give 1 to 128 letters of A–Z, digits, '.', '_', ':' or '-'"
        )
    if len(value) > HEADER_CHARACTERS:
        raise InvalidHeaders(
            f"header {name!r}: {len(value)} characters; at most {HEADER_CHARACTERS}: put it into the message's data"
        )
    if not _clean_text.fullmatch(value):
        raise InvalidHeaders(f"header {name!r}: its value holds a control character: encode it, with base64 for one")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidHeaders(f"header {name!r}: character {error.start} is half of a surrogate pair") from None


def with_own(headers: Mapping[str, str], name: str, value: str) -> dict[str, str]:
    """Adds a header of the library's own to checked ones. Raises InvalidHeaders if that is one too many."""
    if len(headers) == HEADERS:
        raise InvalidHeaders(f"{HEADERS} headers, and the outbox's own {name!r} is one more: at most {HEADERS}")
    return {**headers, name: value}

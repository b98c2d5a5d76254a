"""Checks at `put` how many bytes a message will take on Kafka, so that not only the relay finds out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from json.encoder import encode_basestring
from typing import Any
from uuid import UUID

from bson import DBRef, Decimal128, ObjectId
from bson.datetime_ms import DatetimeMS

from outbox.errors import MessageTooLarge
from outbox.mongo.codec import decoded

TOPIC_BYTES = 1_048_588
"""The largest record batch that a topic takes by default: Kafka's `max.message.bytes`."""
ROOM = TOPIC_BYTES - 1_000_000
"""How much larger than `max_message_bytes` a message may be on Kafka."""
GROWTH = 6
"""The most bytes of JSON for one byte of BSON: a control character becomes \\u001f, all else takes less."""
_ENVELOPE = 1024
"""An upper limit for what a record batch takes around one record, with the relay's own headers and all lengths."""
_HEADER = 8  # the lengths of a name and a value, and more


def largest(max_message_bytes: int) -> int:
    """Returns the most bytes that a message may take on Kafka, alone in a record batch that is not compressed."""
    return max(TOPIC_BYTES, max_message_bytes + ROOM)


def check_footprint(
    type: str, key: str | None, headers: Mapping[str, str], document: bytes, max_message_bytes: int
) -> None:
    """Raises MessageTooLarge for a message that MongoDB takes, but that would be too large on Kafka.

    Only a document large enough to be so is decoded and measured: most messages are small.
    """
    most = largest(max_message_bytes)
    if GROWTH * len(document) + _ENVELOPE <= most:
        return
    size = _ENVELOPE + len(type) + (0 if key is None else len(key.encode()))
    size += sum(len(name) + len(value.encode()) + _HEADER for name, value in headers.items())
    size += json_bytes(decoded(document)["data"])
    if size > most:
        raise MessageTooLarge(
            f"a {type!r} with key {key!r} takes {len(document)} bytes in MongoDB and about {size} as JSON on Kafka, "
            f"more than {most}, which max_message_bytes={max_message_bytes} allows there: put a reference to the data "
            "instead, or raise the limit, run create(), and give the topic as large a max.message.bytes"
        )


def json_bytes(value: Any) -> int:
    """Counts the bytes of a value in the relay's JSON, some doubles a little too large; 0 for what JSON does not have.

    value: decoded with outbox.mongo.codec.DECODED.
    """
    match value:
        case str():
            return _text(value)
        case dict():
            return 2 + sum(_text(name) + 2 + json_bytes(item) for name, item in value.items())
        case list():
            return 2 + sum(1 + json_bytes(item) for item in value)
        case bool() | None:
            return 5
        case int():
            return len(str(int(value)))
        case float():
            return len(repr(value))
        case bytes():  # Binary too
            return 2 + (len(value) + 2) // 3 * 4
        case datetime() | ObjectId():
            return 26
        case UUID():
            return 38
        case DatetimeMS():
            return 36
        case Decimal128():
            return 2 + len(str(value))
        case DBRef():
            return json_bytes(dict(value.as_doc()))
    return 0


def _text(text: str) -> int:
    return len(encode_basestring(text).encode())

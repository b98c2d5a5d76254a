"""The footprint: how many bytes a message takes on Kafka, known when it is put and not only when it is relayed."""

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
"""What a topic takes at most unless it was changed: Kafka's default `max.message.bytes`."""
ROOM = TOPIC_BYTES - 1_000_000
"""What a record may take beyond `max_message_bytes`."""
GROWTH = 6
"""JSON takes at most so many bytes for each byte of BSON: a control character becomes \\u001f, all else takes less."""
_ENVELOPE = 1024
"""More than the record batch around one record takes, with the relay's own headers and all lengths."""
_HEADER = 8  # the lengths of a name and a value, and more


def largest(max_message_bytes: int) -> int:
    """The most bytes that a message may take on Kafka, as a record batch of its own that is not compressed."""
    return max(TOPIC_BYTES, max_message_bytes + ROOM)


def check_footprint(
    type: str, key: str | None, headers: Mapping[str, str], document: bytes, max_message_bytes: int
) -> None:
    """Raises MessageTooLarge for a staging document that would be too large on Kafka, though it is not in MongoDB.

    Only what may be is decoded and measured: by far most messages are small.
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
    """The bytes of a value as the relay's JSON has it; a few more of some doubles. 0 of what JSON does not have.

    value: as outbox.mongo.codec.DECODED has it.
    """
    match value:
        case str():
            return _text(value)
        case dict():
            return 2 + sum(_text(name) + 2 + json_bytes(each) for name, each in value.items())
        case list():
            return 2 + sum(1 + json_bytes(each) for each in value)
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

"""A message that arrives from another outbox: what of it is kept, and how it is staged here."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson import ObjectId
from bson.errors import BSONError

from outbox import dates
from outbox.archive.line import NAMES, record
from outbox.archive.missing_extra import orjson
from outbox.errors import ArchiveDamaged, InvalidMessage, MessageTooLarge
from outbox.log.record import moment
from outbox.mongo.codec import DECODED, decoded
from outbox.mongo.collections import HIGHEST_SEQ
from outbox.mongo.elements import DATE, DOCUMENT, OBJECT_ID, TEXT, TIMESTAMP, Element, elements
from outbox.mongo.elements import document as compose
from outbox.staging.footprint import check_footprint
from outbox.transfer.origin import Origin, first_origin

_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1")
"""What a chunk of an archive begins with that gzip or zstd has made smaller, or that is Parquet."""


@dataclass(frozen=True)
class Arrival:
    """One message. Its data is as BSON had it where it was put."""

    origin: Origin
    """Of its first outbox: one that arrives over a third is the same message."""
    fields: Mapping[str, Element]
    """`type`, `key`, `headers` and `data`."""
    is_from: str | None
    """The outbox that it was read from."""

    def staged(self, id: ObjectId, created: int) -> bytes:
        """Returns its staging document, under a new id. created: in milliseconds."""
        own = self.fields["headers"].value
        rest = [Element(TEXT, _text(value)).named(name.encode()) for name, value in self._added()]
        headers = Element(DOCUMENT, compose([own[4:-1], *rest]))
        return compose(
            [
                Element(OBJECT_ID, id.binary).named(b"_id"),
                Element(TIMESTAMP, bytes(8)).named(b"at"),
                Element(DATE, created.to_bytes(8, "little", signed=True)).named(b"created"),
                self.fields["type"].named(b"type"),
                self.fields["key"].named(b"key"),
                headers.named(b"headers"),
                self.fields["data"].named(b"data"),
            ]
        )

    def _added(self) -> list[tuple[str, str]]:
        """The headers that say where it is from, unless it has them."""
        own = dict(elements(self.fields["headers"].value))
        return [(name, value) for name, value in self.origin.headers() if name not in own]

    def check(self, document: bytes, types: Collection[str], max_message_bytes: int) -> None:
        """Raises InvalidMessage for what the server would refuse, or would not know how to: a type that there is not,
        and what is too large for Kafka. The server checks all else."""
        staged = decoded(document)
        type = staged["type"]
        if type not in types:
            raise InvalidMessage(f"there is no message type {type!r:.300} here; there is {', '.join(types) or 'none'}")
        if len(document) > max_message_bytes:
            raise MessageTooLarge(
                f"a {type!r} that takes {len(document)} bytes, and max_message_bytes is {max_message_bytes}"
            )
        if isinstance(staged["headers"], dict):
            texts = {name: value for name, value in staged["headers"].items() if isinstance(value, str)}
            check_footprint(type, None, texts, document, max_message_bytes)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return b"%b%b\0" % ((len(encoded) + 1).to_bytes(4, "little"), encoded)


def of_line(line: bytes) -> Arrival:
    """Reads a line that an export or an archive has written. Raises InvalidMessage for what is none."""
    try:
        found, read = orjson.loads(line), record(line)
        created = dates.text(read.created)
        stored = base64.b64decode(found["bson"]) if "bson" in found else bson.encode(read.stored, codec_options=DECODED)
    except (ArchiveDamaged, BSONError, ValueError, TypeError, OverflowError) as error:
        raise InvalidMessage(f"it is no line of an export{_why(line)}: {error!s:.300}") from error
    if type(read.seq) is not int or not 1 <= read.seq <= HIGHEST_SEQ:
        raise InvalidMessage(f"its seq is {read.seq!r:.100}, which no outbox has")
    outbox = found.get("outbox")
    if not isinstance(outbox, str | None):
        raise InvalidMessage(f"its outbox is {outbox!r:.100}, which is no text")
    return arrival(stored, Origin(outbox, read.seq, read.id, created))


def _why(line: bytes) -> str:
    if line.startswith(_PACKED):
        return ", but of a file that is packed: unpack it first"
    return "" if line.endswith(b"\n") else "; it is cut off"


def of_record(head: tuple[int, bytes, int], stored: bytes, outbox: str) -> Arrival:
    """Takes a record as a log has it. Raises InvalidMessage for one whose origin is nonsense."""
    seq, id, created = head
    return arrival(stored, Origin(outbox, seq, ObjectId(id), dates.text(moment(created))))


def arrival(stored: bytes, here: Origin) -> Arrival:
    """Makes an arrival of `type`, `key`, `headers` and `data` as BSON. here: where it was read."""
    try:
        fields = dict(elements(stored))
        whole = compose(each.named(name.encode()) for name, each in fields.items())
    except (IndexError, KeyError, ValueError) as error:
        raise InvalidMessage("its BSON cannot be read") from error
    if tuple(fields) != NAMES or len(whole) != len(stored) or fields["headers"].type != DOCUMENT:
        raise InvalidMessage(f"it has {', '.join(fields) or 'nothing'}, not {', '.join(NAMES)}")
    if fields["type"].type != TEXT:
        raise InvalidMessage(f"its type is no text, but {fields['type'].kind}")
    headers: dict[str, Any] = decoded(fields["headers"].value)
    return Arrival(first_origin(headers) or here, fields, here.outbox)

"""Says which id an encoded message is the newest of, and what it says: to see whether it would change anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import bson
from bson.raw_bson import RawBSONDocument

from outbox.errors import InvalidMessage
from outbox.messages.compaction import compaction_id, entry_id
from outbox.mongo.codec import DECODED, RAW


class Compacted(NamedTuple):
    """Holds what of a message is compared with the newest of its id."""

    type: str
    entry: str | None
    """The `_id` of its entry in `NAME.latest`; None for a type that is not compacted."""
    data: bytes | None
    """As BSON; None for a tombstone."""


def compacted(document: bytes, compactions: Mapping[str, str]) -> Compacted:
    """Takes apart a staging document that `encode` has made."""
    staged = RawBSONDocument(document, RAW)
    type, data = staged["type"], staged["data"]
    entry = None
    if type in compactions:
        fields = None if data is None else bson.decode(data.raw, DECODED)
        id = compaction_id(compactions[type], staged["key"], staged["headers"], fields)
        assert id is not None, "encode() lets no message of a compacted type pass without its id"
        entry = entry_id(type, id)
    return Compacted(type, entry, None if data is None else data.raw)


def check_compacted(messages: Iterable[Compacted]) -> None:
    """Raises InvalidMessage when one of them is of a type that is not compacted."""
    for message in messages:
        if message.entry is None:
            raise InvalidMessage(
                f"{message.type}: if_changed=True compares a message with the newest of its id, and this type is not "
                "compacted: declare its class with compact=True, or compact='FIELD', and run create()"
            )

"""Says of a message type what it is compacted by: which part of a message is the id that its newest one replaces.

A compaction is written `key`, or `data.FIELD` with the field's stored name: so staging's validator has it, for
processes that do not have the message classes.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import bson
from bson import ObjectId

from outbox.errors import InvalidMessageClass
from outbox.mongo.codec import DECODED

KEY = "key"
"""The compaction of a type whose messages replace those of the same key."""
DATA = "data."
"""What the compaction of other types begins with; the stored name of a field follows."""
COMPACTION_ID = "compaction-id"
"""The header that a tombstone has when its type is not compacted by the key: data that is null has no field."""

KEY_TYPES = (str, int, ObjectId, UUID)
"""A key, or another compaction id, is the text of one of these."""


def key_text(value: Any) -> str:
    """Returns the text of a key as it is stored: of an enum's member, the text of its value."""
    if type(value) is not str and not isinstance(value, (ObjectId, UUID)):
        value = bson.decode(bson.encode({"": value}), DECODED)[""]
    return str(value)


def compaction_id(
    compaction: str, key: str | None, headers: Mapping[str, str], data: Mapping[str, Any] | None
) -> str | None:
    """Returns the id that a message is the newest of, as the log has the message; None when it has none.

    Only another language's writer, or an older class, puts a message without one.
    """
    if compaction == KEY:
        return key
    if data is None:
        return headers.get(COMPACTION_ID)
    value = data.get(compaction.removeprefix(DATA))
    return key_text(value) if isinstance(value, KEY_TYPES) and not isinstance(value, bool) else None


def entry_id(type: str, id: str) -> str:
    """Returns the `_id` of the newest message of an id in `NAME.latest`: a type's name has no slash in it."""
    return f"{type}/{id}"


def checked_attribute(cls: builtins.type[Any], key: str | None, compact: object) -> str | None:
    """Returns the name of the attribute that is the compaction id, as `@message` was given it; None for none.

    Raises InvalidMessageClass. That the attribute can be a key is for the caller to see.
    """
    if compact is False:
        return None
    if compact is True:
        if key is None:
            raise InvalidMessageClass(
                f"{cls.__name__} has no key to be compacted by: give key=…, or compact='FIELD' for another attribute"
            )
        return key
    if not isinstance(compact, str):
        raise InvalidMessageClass(
            f"{cls.__name__}: compact={compact!r:.100}: give True to compact by the key, or an attribute's name"
        )
    if compact == "key" != key:
        raise InvalidMessageClass(
            f"{cls.__name__}: compact='key': tombstone(…, key=…) is the message's key, so its id could not be given: "
            "call the attribute something else (db_field='key' keeps its stored name)"
        )
    return str.__str__(compact)

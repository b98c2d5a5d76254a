"""Makes messages of plain dicts."""

from __future__ import annotations

import builtins
import copy
from collections.abc import Mapping
from typing import Any

import bson

from outbox.errors import InvalidMessage, InvalidMessageClass
from outbox.messages.compaction import KEY_TYPES, key_text
from outbox.messages.declaration import checked_name, declared
from outbox.messages.dialects import Schema
from outbox.messages.kinds import Kind
from outbox.messages.not_json import check_json
from outbox.messages.plain.evaluation import Finding, finding
from outbox.messages.plain.keywords import findings
from outbox.messages.plain.translation import translated
from outbox.mongo.codec import DECODED

_KEYS = {"string", "int", "long", "objectId", "binData"}


class PlainMessage(dict[str, Any]):
    """A message that is a plain dict, of a class that `message_type` has made."""

    _outbox_schema: Schema

    def to_mongo(self) -> dict[str, Any]:
        """Returns the message as it is."""
        return self


def message_type(
    type: str,
    *,
    key: str | None = None,
    schema: Mapping[str, Any],
    compact: bool | str = False,
    version: int = 1,
) -> builtins.type[PlainMessage]:
    """Makes the message class of one type from a `$jsonSchema`: `OrderPlaced({…})` is a message, and a dict.

    `schema` describes the data, in MongoDB's dialect (`bsonType`, JSON Schema draft 4). `put` checks it as the server
    does; a regular expression that Python reads differently is left to the server. `type`, `key`, `compact` and
    `version` are as for `message`; `key` names one of the schema's `properties`. Raises InvalidMessageClass at once,
    also for a part of the schema that the server would refuse.
    """
    name = checked_name(type)
    try:
        own: Any = copy.deepcopy(dict(schema))
    except (TypeError, ValueError):
        raise InvalidMessageClass(f"{name}: schema={schema!r:.60}: give a $jsonSchema as a dict") from None
    cls: Any = builtins.type(name, (PlainMessage,), {"_outbox_schema": {"bsonType": "object", **own}})
    if "type" in own:
        del cls._outbox_schema["bsonType"]
    declared(cls, KIND, name, key, strict=False, compact=compact, version=version)
    cls._outbox_schema = KIND.bson_schema(cls)
    made: builtins.type[PlainMessage] = cls
    return made


class PlainKind:
    """Is outbox.messages.kinds.Kind for what `message_type` makes."""

    def owns(self, cls: type) -> bool:
        return issubclass(cls, PlainMessage)

    def check(self, cls: Any) -> None:
        schema = cls._outbox_schema
        found = [*findings(schema, cls.__name__)][:5]
        if found:
            raise InvalidMessageClass("; ".join(found))
        kind = schema.get("bsonType", schema.get("type"))
        if kind not in ("object", ["object"]):
            raise InvalidMessageClass(f"{cls.__name__}: a message's data is a document: give it bsonType 'object'")
        self.bson_schema(cls)

    def keep_exact(self, cls: Any) -> None:
        """Nothing is converted."""

    def stored_name(self, cls: Any, attribute: str, what: str) -> str:
        declared_as = cls._outbox_schema.get("properties", {}).get(attribute)
        if declared_as is None:
            raise InvalidMessageClass(f"{cls.__name__} has no field {attribute!r} in its properties to be its {what}")
        types = declared_as.get("bsonType", declared_as.get("type"))
        named = {types} if isinstance(types, str) else set(types or ())
        if (named - {"null"}) - _KEYS or not (named or "enum" in declared_as):
            raise InvalidMessageClass(
                f"{cls.__name__}.{attribute}: a {what} is a string, int, long, objectId or binData (a UUID): say so by "
                "its bsonType"
            )
        return attribute

    def bson_schema(self, cls: Any) -> Schema:
        try:
            return _as_stored(cls._outbox_schema)
        except (bson.errors.BSONError, OverflowError, ValueError, TypeError) as error:
            raise InvalidMessageClass(f"{cls.__name__}: BSON refuses a part of its schema ({error})") from error

    def json_schema(self, cls: Any) -> Schema:
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": cls.__name__}
        return {**head, **translated(cls._outbox_schema)}

    def encode(self, message: Any, type: str, *, strict: bool) -> tuple[dict[str, Any], bytes]:
        try:
            encoded = bson.encode(message, codec_options=DECODED)
            data = bson.decode(encoded, DECODED)
        except (bson.errors.BSONError, OverflowError, ValueError, TypeError, RecursionError) as error:
            raise InvalidMessage(f"{type}: {error.__class__.__name__}: {error}") from error
        found = finding(message._outbox_schema, data)
        if isinstance(found, str):
            raise InvalidMessage(f"{type}: {found}")
        check_json(type, data)
        return data, encoded

    def decode(self, cls: Any, data: dict[str, Any]) -> Any:
        return cls(data)

    def key_text(self, cls: Any, attribute: str, value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, KEY_TYPES):
            why: Finding = f"a {value.__class__.__name__} is no key: give text, an int, an ObjectId or a UUID"
        else:
            why = finding(cls._outbox_schema["properties"][attribute], _as_stored({"": value})[""])
        if isinstance(why, str):
            raise ValueError(why)  # noqa: TRY004  # as Kind says
        return key_text(value)


def _as_stored(document: Mapping[str, Any]) -> dict[str, Any]:
    return bson.decode(bson.encode(document, codec_options=DECODED), DECODED)


KIND: Kind = PlainKind()

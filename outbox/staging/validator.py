"""Makes the validator of the staging collection: the server refuses what does not fit it (error 121)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from bson import Timestamp

from outbox.errors import IncompatibleOutbox
from outbox.messages.compaction import COMPACTION_ID, DATA, KEY
from outbox.messages.compatibility import differences
from outbox.messages.limits import HEADERS_SCHEMA, KEY_CHARACTERS, KEY_SCHEMA
from outbox.messages.versions import SCHEMA_VERSION, TypeVersion

Schema = dict[str, Any]

_FORBIDDEN: dict[str, Any] = {"not": {}}
_NO_COMPACTION_ID: dict[str, Any] = {"properties": {COMPACTION_ID: _FORBIDDEN}}
_ITS_COMPACTION_ID: dict[str, Any] = {
    "required": [COMPACTION_ID],
    "properties": {COMPACTION_ID: {"maxLength": KEY_CHARACTERS}},
}


def staging_validator(
    schemas: Mapping[TypeVersion, Schema],
    max_message_bytes: int,
    compactions: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Makes the whole validator: the envelope's seven fields, each type's data, and the document's size in bytes.

    `schemas` has the `$jsonSchema` of the data of each version of each type; when it is empty, nothing is accepted.
    `compactions` says what those types are compacted by that are (outbox.messages.compaction): they have tombstones.
    """
    types = _names(schemas)
    envelope: dict[str, Any] = {
        "bsonType": "object",
        "required": ["_id", "at", "created", "type", "key", "headers", "data"],
        "additionalProperties": False,
        "properties": {
            "_id": {"bsonType": "objectId"},
            "at": {"bsonType": "timestamp"},
            "created": {"bsonType": "date"},
            "type": {"enum": types} if types else _FORBIDDEN,
            "key": KEY_SCHEMA,
            "headers": HEADERS_SCHEMA,
            "data": {"bsonType": ["object", "null"] if compactions else "object"},
        },
    }
    validator: dict[str, Any] = {
        "$jsonSchema": envelope,
        "$expr": {"$lte": [{"$bsonSize": "$$ROOT"}, max_message_bytes]},
        # The server stamps inserts. An upsert by $set, findAndModify or $merge has no stamp, and so no order.
        "at": {"$ne": Timestamp(0, 0)},
    }
    if schemas:
        # Not `anyOf` inside the envelope: here the server passes other types' branches faster. Puts a second with
        # `anyOf`, like this, and without a validator: 50k, 62k and 118k with 20 types; 71k, 79k and 120k with one.
        validator["$or"] = [
            *(
                {"type": each.type, "$jsonSchema": {"properties": {"data": schema, "headers": _headers(each, schemas)}}}
                for each, schema in schemas.items()
            ),
            *({"type": name, "$jsonSchema": _tombstone(compaction)} for name, compaction in compactions.items()),
        ]
    return validator


def _names(versions: Iterable[TypeVersion]) -> list[str]:
    return list(dict.fromkeys(each.type for each in versions))


def _headers(each: TypeVersion, taken: Iterable[TypeVersion]) -> Schema:
    """Makes the schema of the headers of a version. A type that has had one version only has no header to tell it."""
    if each.version > 1:
        return {
            "required": [SCHEMA_VERSION],
            "properties": {COMPACTION_ID: _FORBIDDEN, SCHEMA_VERSION: {"enum": [str(each.version)]}},
        }
    if any(other.type == each.type and other != each for other in taken):
        return {"properties": {COMPACTION_ID: _FORBIDDEN, SCHEMA_VERSION: _FORBIDDEN}}
    return _NO_COMPACTION_ID


def _tombstone(compaction: str) -> dict[str, Any]:
    """Makes the schema of a tombstone. Its description is what the type is compacted by: `compactions_of` reads it."""
    named: dict[str, Any] = (
        {"key": {"bsonType": "string"}, "headers": _NO_COMPACTION_ID}
        if compaction == KEY
        else {"headers": _ITS_COMPACTION_ID}
    )
    return {
        "title": "tombstone",
        "description": compaction,
        "properties": {"data": {"bsonType": "null"}, **named},
    }


def schemas_of(validator: Mapping[str, Any]) -> dict[TypeVersion, Schema]:
    """Reads the data schemas of a live validator, by type and version; {} when it is none of ours."""
    schemas: dict[TypeVersion, Schema] = {}
    for branch in validator.get("$or", []):
        match branch:
            case {"type": str(), "$jsonSchema": {"title": "tombstone"}}:
                pass
            case {"type": str(name), "$jsonSchema": {"properties": {"data": dict(schema), **rest}}}:
                schemas[TypeVersion(name, _version(rest))] = schema
            case _:
                return {}
    return schemas


def _version(properties: Mapping[Any, Any]) -> int:
    match properties:
        case {"headers": {"properties": {"schema-version": {"enum": [str(version)]}}}}:
            return int(version)
    return 1


def types_of(validator: Mapping[str, Any]) -> tuple[str, ...]:
    """Reads the type names of a live validator; none when it is none of ours."""
    return tuple(_names(schemas_of(validator)))


def compactions_of(validator: Mapping[str, Any]) -> dict[str, str]:
    """Reads from a live validator what each type is compacted by, of those that are."""
    compactions: dict[str, str] = {}
    for branch in validator.get("$or", []):
        match branch:
            case {"type": str(name), "$jsonSchema": {"title": "tombstone", "description": str(compaction)}}:
                compactions[name] = compaction
    return compactions


def max_message_bytes_of(validator: Mapping[str, Any]) -> int | None:
    """Reads the largest size in bytes that a live validator allows a document; None when it is none of ours."""
    match validator:
        case {"$expr": {"$lte": [{"$bsonSize": "$$ROOT"}, int(size)]}}:
            return size
    return None


def merge(live: Mapping[TypeVersion, Schema], declared: Mapping[TypeVersion, Schema]) -> dict[TypeVersion, Schema]:
    """Merges the schemas of the running deploys and of this one: no type is lost, and no version of it narrowed.

    Of two schemas of a version it takes the wider one. Raises IncompatibleOutbox, which names each version of which
    neither schema is wider, and each new type whose name differs from another's only in '.' and '_'.
    """
    merged = dict(live)
    causes: list[str] = []
    for each, schema in declared.items():
        if each not in live:
            causes.extend(_twins(each.type, _names(merged)))
        refused_by_live = differences(live[each], schema) if each in live else []
        refused_by_new = differences(schema, live[each]) if refused_by_live else []
        if each not in live or (refused_by_live and not refused_by_new):
            merged[each] = schema
        elif refused_by_live:
            newer = 1 + max(other.version for other in live if other.type == each.type)
            causes.append(
                f"the message type {each} is deployed with another schema, and neither takes all that the other does "
                f"(the deployed one not: {'; '.join(refused_by_live)}; this one not: {'; '.join(refused_by_new)}). "
                f"Deploy a change that only widens it, or declare the class with version={newer} and "
                f"@upcast({each.type!r}, {newer - 1}) for who reads older messages, or give it a name of its own, such "
                f"as {each.type + '.v2'!r}"
            )
    if causes:
        raise IncompatibleOutbox("; ".join(causes))
    return merged


def merge_compactions(live: Mapping[str, str], declared: Mapping[str, str]) -> dict[str, str]:
    """Merges what the running deploys and this one compact by: a type may become compacted, and stays so.

    An older deploy does not say so of its class. Raises IncompatibleOutbox for a type that is compacted by another
    part of the message: the newest of each id would be of two kinds of ids.
    """
    causes = [
        f"the message type {name!r} is deployed as compacted by {_named(live[name])}, and cannot become compacted by "
        f"{_named(compaction)}: give the new class a name of its own, such as {name + '.v2'!r}"
        for name, compaction in declared.items()
        if live.get(name, compaction) != compaction
    ]
    if causes:
        raise IncompatibleOutbox("; ".join(causes))
    return {**live, **declared}


def _named(compaction: str) -> str:
    return "its key" if compaction == KEY else f"its field {compaction.removeprefix(DATA)!r}"


def _twins(name: str, others: Iterable[str]) -> Iterator[str]:
    """Yields why names clash: Kafka cannot have both topics. Better said now than when a relay needs the topic."""
    for other in others:
        if other != name and other.replace(".", "_") == name.replace(".", "_"):
            yield (
                f"the message type {name!r} is {other!r} to Kafka, which takes '.' and '_' in a topic's name for the "
                "same: give the new class another name"
            )

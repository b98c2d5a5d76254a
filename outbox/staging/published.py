"""Keeps the JSON Schema of each version of each message type, as last published: the collection `NAME.schemas`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from outbox.messages.versions import TypeVersion
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import DECODED
from outbox.mongo.collections import Collections, create_collection


class Published(NamedTuple):
    """A version of a type, as readers of Kafka were told of it."""

    type: str
    version: int
    schema: dict[str, Any]
    """The JSON Schema of the value on Kafka."""
    created: datetime
    """When the version was first deployed."""
    changed: datetime
    """When its schema was last widened."""


def publish(collections: Collections, schemas: Mapping[TypeVersion, dict[str, Any]]) -> None:
    """Stores the JSON Schemas of some versions, where they are not stored as they are. Raises pymongo's errors."""
    create_collection(collections, collections.schemas.name)
    with time_limit(30):
        stored = {each["_id"]: each["schema"] for each in collections.schemas.find({}, {"schema": 1})}
        for each, schema in schemas.items():
            # As text: a `$ref` in a document is taken for a reference to another one.
            id, text, now = f"{each.type}/{each.version}", json.dumps(schema), datetime.now(UTC)
            if stored.get(id) == text:
                continue
            collections.schemas.update_one(
                {"_id": id},
                {
                    "$set": {"type": each.type, "version": each.version, "schema": text, "changed": now},
                    "$setOnInsert": {"created": now},
                },
                upsert=True,
            )


def published(collections: Collections) -> Iterator[Published]:
    """Reads what is stored, by type and version. Raises pymongo's errors."""
    with time_limit():
        for each in collections.schemas.with_options(DECODED).find(sort=[("type", 1), ("version", 1)]):
            yield Published(each["type"], each["version"], json.loads(each["schema"]), each["created"], each["changed"])

"""Describes the messages of an outbox as an AsyncAPI 3 document: what a reader of its Kafka topic gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from outbox.messages.versions import SCHEMA_VERSION

DIALECT = "application/schema+json;version=2020-12"
_TEXT: dict[str, Any] = {"type": "string"}
_OWN: dict[str, dict[str, Any]] = {
    "id": {**_TEXT, "pattern": "^[0-9a-f]{24}$", "description": "The same however often the message comes."},
    "seq": {**_TEXT, "pattern": "^[0-9]+$", "description": "Its number in the log, from 1, without gaps."},
    "log": {**_TEXT, "description": "Which log the number is of."},
    "created": {**_TEXT, "format": "date-time", "description": "When it was put."},
}


def asyncapi(
    database: str, outbox: str, schemas: Mapping[str, dict[str, Any]], versions: Mapping[str, int]
) -> dict[str, Any]:
    """Makes the document. schemas: by type, the JSON Schema of the value on Kafka. versions: of each type."""
    topic, messages = f"{database}.{outbox}", {type: _name(type) for type in schemas}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"Outbox {topic}",
            "version": "1.0.0",
            "description": "Messages that a service has put in its transactions, in order by key, at least once.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "outbox": {
                "address": topic,
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages.values()},
            }
        },
        "operations": {"publish": {"action": "send", "channel": {"$ref": "#/channels/outbox"}}},
        "components": {
            "messages": {
                messages[type]: _message(type, schema, versions.get(type, 1)) for type, schema in schemas.items()
            }
        },
    }


def _name(type: str) -> str:
    """Returns a type's name as a component's: of these characters alone, and of two types never the same."""
    return re.sub(r"[^A-Za-z0-9.\-]", lambda found: f"_{ord(found[0]):x}", type)


def _message(type: str, schema: dict[str, Any], version: int) -> dict[str, Any]:
    headers: dict[str, Any] = {**_OWN, "type": {"const": type}}
    if version > 1:
        headers[SCHEMA_VERSION] = {"const": str(version)}
    return {
        "name": type,
        "contentType": "application/json",
        "headers": {"type": "object", "required": list(headers), "properties": headers},
        "payload": {"schemaFormat": DIALECT, "schema": schema},
    }

"""JSON Schemas of what the gateway takes and gives."""

from __future__ import annotations

from typing import Any

from outbox.mongo.collections import HIGHEST_SEQ

Schema = dict[str, Any]

SEQ: Schema = {"type": "integer", "minimum": 0, "maximum": HIGHEST_SEQ}
TEXT: Schema = {"type": "string"}
HEADERS: Schema = {"type": "object", "additionalProperties": TEXT}
_TYPE = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}"
TYPES: Schema = {"type": ["array", "null"], "items": {"type": "string", "pattern": f"^{_TYPE}$"}, "minItems": 1}
TYPE_LIST: Schema = {"type": "string", "pattern": f"^{_TYPE}(,{_TYPE})*$"}
START: Schema = {
    "anyOf": [
        {"enum": ["earliest", "latest"]},
        {"type": "integer", "minimum": 1, "maximum": HIGHEST_SEQ},
        {"type": "string", "pattern": "^[0-9]{1,19}$"},
        {"type": "null"},
        {"type": "string", "format": "date-time", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}"},
    ]
}


def closed(required: dict[str, Schema], **optional: Schema) -> Schema:
    """Makes the schema of an object of these fields, and no other."""
    properties = {**required, **optional}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def or_null(schema: Schema) -> Schema:
    """Makes the schema of a value that may be missing."""
    return {"anyOf": [schema, {"type": "null"}]}


RECORD = closed(
    {
        "seq": SEQ,
        "id": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
        "created": {"type": "string"},
        "type": TEXT,
        "key": or_null(TEXT),
        "headers": HEADERS,
        "data": {"type": ["object", "null"]},
    },
    fault=TEXT,
)
RECORDS = closed({"records": {"type": "array", "items": RECORD}, "next": SEQ, "head": SEQ, "oldest": or_null(SEQ)})
LIVE_RECORDS = closed(
    {
        "records": {"type": "array", "items": RECORD},
        "next": or_null(SEQ),
        "head": or_null(SEQ),
        "oldest": or_null(SEQ),
        "skipped": or_null(SEQ),
    }
)
CONSUMER = closed(
    {
        "consumer": TEXT,
        "types": TYPES,
        "paused": {"type": "boolean"},
        "position": or_null(SEQ),
        "head": or_null(SEQ),
        "lag": or_null(SEQ),
        "headroom": or_null({"type": "integer"}),
    }
)
REGISTRATION = closed({}, start=START, types=TYPES)
ACKNOWLEDGEMENT = closed({"seq": SEQ})
POSTED = closed({"id": {"type": "string", "pattern": "^[0-9a-f]{24}$"}}, seq=or_null(SEQ))
ERROR: Schema = {
    "type": "object",
    "properties": {"error": TEXT, "detail": TEXT},
    "required": ["error", "detail"],
}


def whole(least: int, most: int, default: int) -> Schema:
    """Makes the schema of a whole number."""
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


def seconds(most: float) -> Schema:
    """Makes the schema of seconds."""
    return {"type": "number", "minimum": 0, "maximum": most, "default": 0}

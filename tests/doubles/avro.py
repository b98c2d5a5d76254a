"""Records of one schema, written as Avro and read back by fastavro."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro

from relay.encoding.avro.schema import AvroSchema

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
INNER = {"type": "record", "name": "Inner", "fields": [{"name": "n", "type": "int"}]}


def schema(*types: Any) -> dict[str, Any]:
    """A record with a field of each type: f0, f1 …"""
    return {"type": "record", "name": "R", "fields": [{"name": f"f{at}", "type": of} for at, of in enumerate(types)]}


def back(asked: dict[str, Any], data: dict[str, Any]) -> Any:
    """The data, as fastavro reads what was written of it."""
    written = AvroSchema(json.dumps(asked)).value(data)
    return fastavro.schemaless_reader(io.BytesIO(written), fastavro.parse_schema(asked), None)

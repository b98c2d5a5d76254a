"""A schema registry in memory, and one that answers as it is told to."""

from __future__ import annotations

import json
from typing import Any

from confluent_kafka.schema_registry import Schema

from relay.kafka.schema_registry import SchemaRegistry
from relay.registry import RegisteredSchema

AVRO = {
    "type": "record", "namespace": "order", "name": "placed",
    "fields": [{"name": "order_id", "type": "string"}, {"name": "total", "type": ["null", "int"], "default": None}],
}  # fmt: skip
JSON = {
    "title": "order.placed", "type": "object", "additionalProperties": False,
    "properties": {"order_id": {"type": "string"}, "total": {"type": "integer", "maximum": 100}},
}  # fmt: skip


def mock_registry(subject: str = "{type}", **schemas: tuple[str, dict[str, Any]]) -> SchemaRegistry:
    """One that has these schemas, each with its kind; `__` in a name is a dot."""
    made = SchemaRegistry({"url": "mock://tests"}, subject)
    for name, (kind, schema) in schemas.items():
        made.client.register_schema(name.replace("__", "."), Schema(json.dumps(schema), kind))
    return made


class ScriptedRegistry:
    """Is Registry: gives what it has, or raises it, and counts how often it was asked."""

    def __init__(self, *answers: RegisteredSchema | Exception) -> None:
        self.asked: list[tuple[str, str]] = []
        self._answers = list(answers)

    def look_up(self, type: str, topic: str) -> RegisteredSchema:
        self.asked.append((type, topic))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def schema(kind: str, text: dict[str, Any], id: int = 7) -> RegisteredSchema:
    return RegisteredSchema(id, kind, json.dumps(text))

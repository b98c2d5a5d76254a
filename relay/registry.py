"""The port of a schema registry, which keeps the schemas that values are encoded by."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class RegisteredSchema(NamedTuple):
    """A schema as the registry has it."""

    id: int
    kind: str
    """AVRO or JSON."""
    text: str


class Registry(Protocol):
    """Looks up the newest schema of a message type. Thread-safe; relay.kafka.schema_registry has one."""

    def look_up(self, type: str, topic: str) -> RegisteredSchema:
        """Asks the registry, for a few seconds at most. Raises Unreachable when it does not answer, Unencodable when it
        has no such schema, DeliveryRefused when this relay may not ask."""

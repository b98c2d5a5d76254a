"""Values by a schema registry's schemas: a byte 0, the schema's id in four bytes, and then Avro or JSON."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal, Protocol

import orjson

from outbox.messages.json_value import Unencodable
from relay.errors import InvalidSettings
from relay.registry import RegisteredSchema, Registry

RegisteredEncoding = Literal["avro", "json-schema"]
_KINDS = {"avro": "AVRO", "json-schema": "JSON"}


class ByAvro(Protocol):
    """Makes Avro of data; relay.encoding.avro.schema.AvroSchema."""

    def value(self, data: dict[str, Any]) -> bytes: ...


class RegisteredValues:
    """Encodes by the newest schema of each type, which is looked up once. Not thread-safe."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._avro: dict[tuple[str, str], tuple[bytes, ByAvro]] = {}
        self._json: dict[tuple[str, str], tuple[bytes, Any]] = {}

    def avro(self, type: str, topic: str, data: dict[str, Any]) -> bytes:
        """Makes Avro. Raises Unencodable for data that the schema does not take, and as Registry.look_up."""
        known = self._avro.get((type, topic))
        if known is None:
            found = self._look_up("avro", type, topic)
            known = _frame(found), import_module("relay.encoding.avro.schema").AvroSchema(found.text)
            self._avro[type, topic] = known
        frame, schema = known
        return frame + schema.value(data)

    def json(self, type: str, topic: str, value: bytes | None) -> bytes | None:
        """Frames the JSON of a message. Raises as `avro`."""
        if value is None or value == b"null":  # a tombstone, which no schema is for
            return None if value is None else b""
        known = self._json.get((type, topic))
        if known is None:
            found = self._look_up("json-schema", type, topic)
            known = self._json[type, topic] = _frame(found), _validator(found.text, type)
        frame, validator = known
        fault = next(iter(validator.iter_errors(orjson.loads(value))), None)
        if fault is not None:
            raise Unencodable(f"{fault.json_path.replace('$', 'data', 1)}: {fault.message:.200}, says its JSON Schema")
        return frame + value

    def _look_up(self, encoding: RegisteredEncoding, type: str, topic: str) -> RegisteredSchema:
        found = self._registry.look_up(type, topic)
        if found.kind != _KINDS[encoding]:
            raise Unencodable(
                f"the registered schema of {type!r} is of the kind {found.kind}, and its encoding is {encoding}"
            )
        return found


def check_extra() -> None:
    """Raises InvalidSettings when the packages that the registry's encodings need are not there."""
    for package in ("fastavro", "jsonschema"):
        try:
            import_module(package)
        except ModuleNotFoundError as missing:
            raise InvalidSettings(
                f"{missing}; install it with: pip install '.[registry]', in the clone of this project"
            ) from None


def _frame(schema: RegisteredSchema) -> bytes:
    return b"\0" + schema.id.to_bytes(4, "big")


def _validator(text: str, type: str) -> Any:
    validators = import_module("jsonschema.validators")
    try:
        schema = orjson.loads(text)
        kind = validators.validator_for(schema, default=validators.Draft7Validator)
        kind.check_schema(schema)
        return kind(schema)
    except Exception as error:  # of the schema, by whichever library
        raise Unencodable(f"the registered schema of {type!r} is no JSON Schema: {error!s:.200}") from error

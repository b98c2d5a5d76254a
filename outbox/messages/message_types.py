"""Encodes and decodes the messages of the classes that an outbox was given."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

import bson
from bson import ObjectId

from outbox.errors import InvalidMessage, InvalidMessageClass, UnknownMessage
from outbox.messages.compaction import KEY, KEY_TYPES, compaction_id, key_text
from outbox.messages.declaration import Declaration, compaction_of, declaration_of
from outbox.messages.dialects import JSON
from outbox.messages.versions import TypeVersion, upcasted, version_of
from outbox.mongo.codec import DECODED

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
Key = str | int | ObjectId | UUID
"""A key is the text of one of these."""


class MessageTypes:
    """Holds the message classes of an outbox, and encodes and decodes by them. Immutable and thread-safe."""

    def __init__(self, classes: Iterable[type[Any]]) -> None:
        """Raises InvalidMessageClass: a class without `@message`, two of one type, or one that cannot be stored."""
        self._classes: dict[str, type[Any]] = {}
        self._declarations: dict[type[Any], Declaration] = {}
        self._schemas: dict[str, dict[str, Any]] = {}
        self._keys: dict[str, str] = {}
        """The stored name of each type's key, of those that have one."""
        self.compactions: dict[str, str] = {}
        """What each type is compacted by, of those that are; see outbox.messages.compaction."""
        self.versions: dict[str, int] = {}
        """The version that each type is declared with."""
        for cls in classes:
            declaration = declaration_of(cls)
            if declaration is None:
                raise InvalidMessageClass(f"{cls!r} is no message class: decorate it with @message('its.type')")
            if declaration.type in self._classes:
                other = self._classes[declaration.type]
                raise InvalidMessageClass(
                    f"{cls.__qualname__} and {other.__qualname__} both are {declaration.type!r}: one class a type"
                )
            kind = declaration.kind
            self._schemas[declaration.type] = kind.bson_schema(cls)
            if declaration.strict:
                kind.keep_exact(cls)
            if declaration.key is not None:
                self._keys[declaration.type] = kind.stored_name(cls, declaration.key, "key")
            self._classes[declaration.type] = cls
            self.versions[declaration.type] = declaration.version
            self._declarations[cls] = declaration
            compaction = compaction_of(cls)
            if compaction is not None:
                self.compactions[declaration.type] = compaction
        self.names: tuple[str, ...] = tuple(self._classes)
        """The type names, in the order given."""

    def encode(self, message: object) -> tuple[str, str | None, bytes]:
        """Returns the message's type, key and data as BSON, checked as its class says.

        Raises UnknownMessage for a class not given here, InvalidMessage for values that cannot be stored.
        """
        declaration = self._declarations.get(type(message))
        if declaration is None:
            raise UnknownMessage(
                f"{type(message).__qualname__} is not a message of this outbox: "
                "decorate it with @message and give it to Outbox(messages=[…])"
            )
        data, encoded = declaration.kind.encode(message, declaration.type, strict=declaration.strict)
        return declaration.type, self._key(declaration, data), encoded

    def _key(self, declaration: Declaration, data: Mapping[str, Any]) -> str | None:
        if declaration.key is None:
            return None
        key = data.get(self._keys[declaration.type])
        if key is None:
            raise InvalidMessage(
                f"{declaration.type}: the key {declaration.key!r} has no value; give it one, "
                "make the field required, or declare the message without a key"
            )
        if isinstance(key, bool) or not isinstance(key, KEY_TYPES):
            raise InvalidMessage(
                f"{declaration.type}: the key {declaration.key!r} is a {type(key).__name__}; give text, an int, an "
                "ObjectId or a UUID"
            )
        return key_text(key)

    def compaction_id(self, type: str, key: str | None, headers: Mapping[str, str], data: bytes | None) -> str | None:
        """Returns the id that an encoded message is the newest of; None for a type that is not compacted.

        Raises InvalidMessage when it has no value.
        """
        compaction = self.compactions.get(type)
        if compaction is None:
            return None
        fields = None if data is None or compaction == KEY else bson.decode(data, DECODED)
        id = compaction_id(compaction, key, headers, fields)
        if id is None:
            raise InvalidMessage(
                f"{type}: the compaction id {compaction!r} has no value; give it one, make the field required, or "
                "declare the message without compact"
            )
        return id

    def decode(self, type: str, data: dict[str, Any] | None, headers: Mapping[str, str] = NO_HEADERS) -> Any:
        """Decodes data into an instance of its class; None for a type not given here, and for a tombstone.

        Data of an older version goes through its upcasts first. Leaves out fields that the class does not know: a newer
        writer may have added them. Dates are aware, in UTC. Raises InvalidMessage when the data does not fit the class
        (another writer's, or a class that changed since), or is of a version that cannot be read here.
        """
        cls = self._classes.get(type)
        if cls is None or data is None:
            return None
        return self.made(type, upcasted(type, data, version_of(type, headers), self.versions[type]))

    def made(self, type: str, data: dict[str, Any]) -> Any:
        """Makes an instance of the class of a type that was given here. Raises InvalidMessage when it does not fit."""
        cls = self._classes[type]
        try:
            return self._declarations[cls].kind.decode(cls, data)
        except ValueError as error:
            raise InvalidMessage(
                f"{type}: the data does not fit {cls.__name__} ({error}); the record's `data` has it as it stands"
            ) from error

    def name_of(self, type: str | builtins.type[Any]) -> str:
        """Returns the type name of a message class; a name as it is. Raises UnknownMessage."""
        if isinstance(type, str):
            return type
        declaration = self._declarations.get(type)
        if declaration is None:
            raise UnknownMessage(f"{type!r} is not a message class of this outbox: give it to Outbox(messages=[…])")
        return declaration.type

    def class_of(self, type: str) -> builtins.type[Any]:
        """Returns the message class of a type that was given here."""
        return self._classes[type]

    def schemas(self) -> dict[str, dict[str, Any]]:
        """Returns, by type name, the `$jsonSchema` of the data."""
        return dict(self._schemas)

    def versioned_schemas(self) -> dict[TypeVersion, dict[str, Any]]:
        """Returns the same by type and version."""
        return {TypeVersion(type, self.versions[type]): schema for type, schema in self._schemas.items()}

    def versioned_json_schemas(self) -> dict[TypeVersion, dict[str, Any]]:
        """Returns the JSON Schemas of `json_schemas` by type and version."""
        return {TypeVersion(type, self.versions[type]): schema for type, schema in self.json_schemas().items()}

    def json_schemas(self) -> dict[str, dict[str, Any]]:
        """Returns, by type name, the JSON Schema of the value on Kafka; null is one where there are tombstones."""
        schemas = {type: self._declarations[cls].kind.json_schema(cls) for type, cls in self._classes.items()}
        return {type: JSON.nullable(each) if type in self.compactions else each for type, each in schemas.items()}

"""Encodes and decodes the messages of the classes that an outbox was given."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from mongoengine import EmbeddedDocument  # type: ignore[import-untyped]  # mongoengine ships no types
from mongoengine.errors import (  # type: ignore[import-untyped]  # as above
    FieldDoesNotExist,
    InvalidDocumentError,
    NotRegistered,
    ValidationError,
)

from outbox.errors import InvalidMessage, InvalidMessageClass, UnknownMessage
from outbox.messages.compaction import KEY, compaction_id, key_text
from outbox.messages.declaration import Declaration, compaction_of, declaration_of
from outbox.messages.decoding import Decoder
from outbox.messages.dialects import JSON
from outbox.messages.exact import changes, keep_in_all
from outbox.messages.fields import bson_schema, json_schema
from outbox.messages.not_json import not_json
from outbox.mongo.codec import DECODED

Key = str | int | ObjectId | UUID
"""A key is the text of one of these."""

_MOST_CHANGES = 5
# mongoengine raises the first for what it checks; the others come out of it for values that it does not expect.
# RecursionError: a value nested deeper than Python can follow.
_REFUSALS = (
    ValidationError,
    bson.errors.BSONError,
    TypeError,
    ValueError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
)


class MessageTypes:
    """Holds the message classes of an outbox, and encodes and decodes by them. Immutable and thread-safe."""

    def __init__(self, classes: Iterable[type[EmbeddedDocument]]) -> None:
        """Raises InvalidMessageClass: a class without `@message`, two of one type, or one that cannot be stored."""
        self._classes: dict[str, type[EmbeddedDocument]] = {}
        self._declarations: dict[type[EmbeddedDocument], Declaration] = {}
        self._schemas: dict[str, dict[str, Any]] = {}
        self.compactions: dict[str, str] = {}
        """What each type is compacted by, of those that are; see outbox.messages.compaction."""
        self._decoder = Decoder()
        for cls in classes:
            declaration = declaration_of(cls)
            if declaration is None:
                raise InvalidMessageClass(f"{cls!r} is no message class: decorate it with @message('its.type')")
            if declaration.type in self._classes:
                other = self._classes[declaration.type]
                raise InvalidMessageClass(
                    f"{cls.__qualname__} and {other.__qualname__} both are {declaration.type!r}: one class a type"
                )
            try:
                self._schemas[declaration.type] = bson_schema(cls)
                if declaration.strict:
                    keep_in_all(cls)
            except NotRegistered as error:
                raise InvalidMessageClass(f"{cls.__name__} names a class that is not defined: {error}") from error
            self._classes[declaration.type] = cls
            self._declarations[cls] = declaration
            compaction = compaction_of(cls)
            if compaction is not None:
                self.compactions[declaration.type] = compaction
        self.names: tuple[str, ...] = tuple(self._classes)
        """The type names, in the order given."""

    def encode(self, message: object) -> tuple[str, str | None, RawBSONDocument]:
        """Returns the message's type, key and data, checked by mongoengine's `validate()`.

        Raises UnknownMessage for a class not given here, InvalidMessage for values that cannot be stored.
        """
        declaration = self._declarations.get(type(message))
        if declaration is None:
            raise UnknownMessage(
                f"{type(message).__qualname__} is not a message of this outbox: "
                "decorate it with @message and give it to Outbox(messages=[…])"
            )
        try:
            message.validate()  # type: ignore[attr-defined]  # mongoengine's
            data = message.to_mongo()  # type: ignore[attr-defined]  # as above
            data.pop("_cls", None)  # the type says which class it is, also after the class is renamed
            encoded = RawBSONDocument(bson.encode(data, codec_options=DECODED))
            changed = self._changed(declaration, message)
            missing = None if changed else not_json(data)
        except OverflowError as error:
            raise InvalidMessage(f"{declaration.type}: {error} (integers are 64 bits wide)") from error
        except _REFUSALS as error:
            # Some errors say nothing, or only numbers. Best is to say what would be changed, else the kind of error.
            why = self._changed(declaration, message) or f"{type(error).__name__}: {error}"
            raise InvalidMessage(f"{declaration.type}: {why}") from error
        if changed:
            raise InvalidMessage(f"{declaration.type}: {changed}")
        if missing is not None:
            raise InvalidMessage(f"{declaration.type}: {missing}: no relay could deliver it")
        return declaration.type, self._key(declaration, message, data), encoded

    def _changed(self, declaration: Declaration, message: Any) -> str:
        """Says which values would be stored as other ones; "" for a class that is not strict."""
        changed = list(itertools.islice(changes(message), _MOST_CHANGES)) if declaration.strict else []
        return f"{'; '.join(changed)}. Convert it yourself, or declare the message with strict=False" if changed else ""

    def _key(self, declaration: Declaration, message: Any, data: dict[str, Any]) -> str | None:
        if declaration.key is None:
            return None
        key = data.get(message._fields[declaration.key].db_field)
        if key is None:
            raise InvalidMessage(
                f"{declaration.type}: the key {declaration.key!r} has no value; give it one, "
                "make the field required, or declare the message without a key"
            )
        return key_text(key)

    def compaction_id(
        self, type: str, key: str | None, headers: Mapping[str, str], data: RawBSONDocument | None
    ) -> str | None:
        """Returns the id that an encoded message is the newest of; None for a type that is not compacted.

        Raises InvalidMessage when it has no value.
        """
        compaction = self.compactions.get(type)
        if compaction is None:
            return None
        fields = None if data is None or compaction == KEY else bson.decode(data.raw, DECODED)
        id = compaction_id(compaction, key, headers, fields)
        if id is None:
            raise InvalidMessage(
                f"{type}: the compaction id {compaction!r} has no value; give it one, make the field required, or "
                "declare the message without compact"
            )
        return id

    def decode(self, type: str, data: dict[str, Any] | None) -> EmbeddedDocument | None:
        """Decodes data into an instance of its class; None for a type not given here, and for a tombstone.

        Leaves out fields that the class does not know: a newer writer may have added them. Dates are aware, in UTC.
        Raises InvalidMessage when the data does not fit the class (another writer's, or a class that changed since).
        """
        cls = self._classes.get(type)
        if cls is None or data is None:
            return None
        try:
            return self._decoder.build(cls, data)
        except (*_REFUSALS, InvalidDocumentError, FieldDoesNotExist, NotRegistered) as error:
            raise InvalidMessage(
                f"{type}: the data does not fit {cls.__name__} ({error}); the record's `data` has it as it stands"
            ) from error

    def name_of(self, type: str | builtins.type[EmbeddedDocument]) -> str:
        """Returns the type name of a message class; a name as it is. Raises UnknownMessage."""
        if isinstance(type, str):
            return type
        declaration = self._declarations.get(type)
        if declaration is None:
            raise UnknownMessage(f"{type!r} is not a message class of this outbox: give it to Outbox(messages=[…])")
        return declaration.type

    def schemas(self) -> dict[str, dict[str, Any]]:
        """Returns, by type name, the `$jsonSchema` of the data."""
        return dict(self._schemas)

    def json_schemas(self) -> dict[str, dict[str, Any]]:
        """Returns, by type name, the JSON Schema of the value on Kafka; null is one where there are tombstones."""
        schemas = {type: json_schema(cls) for type, cls in self._classes.items()}
        return {type: JSON.nullable(each) if type in self.compactions else each for type, each in schemas.items()}

"""Makes messages of mongoengine's embedded documents."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import bson
from mongoengine import EmbeddedDocument, fields  # type: ignore[import-untyped]  # mongoengine ships no types
from mongoengine.errors import (  # type: ignore[import-untyped]  # as above
    FieldDoesNotExist,
    InvalidDocumentError,
    NotRegistered,
    ValidationError,
)

from outbox.errors import InvalidMessage, InvalidMessageClass
from outbox.messages.compaction import key_text
from outbox.messages.dialects import Schema
from outbox.messages.documents import fields as document_fields
from outbox.messages.documents.conversions import Unsure
from outbox.messages.documents.decoding import Decoder
from outbox.messages.documents.exact import changes, is_exact, keep_in_all
from outbox.messages.documents.plan import Plans, as_bson
from outbox.messages.kinds import Kind, NotDefined
from outbox.messages.not_json import check_json

KEY_FIELDS = (fields.StringField, fields.IntField, fields.ObjectIdField, fields.UUIDField)

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


class DocumentKind:
    """Is outbox.messages.kinds.Kind for EmbeddedDocument."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._plans = Plans()

    def owns(self, cls: type) -> bool:
        return issubclass(cls, EmbeddedDocument)

    def check(self, cls: Any) -> None:
        if cls._meta.get("abstract"):
            raise InvalidMessageClass(f"{cls.__name__} is abstract: decorate the classes derived from it")
        self.bson_schema(cls)

    def keep_exact(self, cls: Any) -> None:
        try:
            keep_in_all(cls)
        except NotRegistered as error:
            raise _not_defined(cls, error) from error

    def stored_name(self, cls: Any, attribute: str, what: str) -> str:
        field = cls._fields.get(attribute)
        if field is None:
            raise InvalidMessageClass(f"{cls.__name__} has no field {attribute!r} to be its {what}")
        if not isinstance(field, KEY_FIELDS) or isinstance(field, fields.ComplexDateTimeField):
            raise InvalidMessageClass(
                f"{cls.__name__}.{attribute} is a {type(field).__name__}; a {what} is a text, int, ObjectId or UUID "
                "field"
            )
        name: str = field.db_field
        return name

    def bson_schema(self, cls: Any) -> Schema:
        try:
            return document_fields.bson_schema(cls)
        except NotRegistered as error:
            raise _not_defined(cls, error) from error

    def json_schema(self, cls: Any) -> Schema:
        return document_fields.json_schema(cls)

    def encode(self, message: Any, type: str, *, strict: bool) -> tuple[Mapping[str, Any], bytes]:
        try:
            return self._plans.encoded(message)
        except (Unsure, AssertionError, *_REFUSALS):
            pass  # mongoengine decides, and says why
        return self._encode(message, type, strict=strict)

    def _encode(self, message: Any, type: str, *, strict: bool) -> tuple[dict[str, Any], bytes]:
        """Lets mongoengine check the message, and make its data."""
        try:
            message.validate()
            data, encoded = as_bson(message.to_mongo())
            changed = _changed(message, strict=strict)
        except OverflowError as error:
            raise InvalidMessage(f"{type}: {error} (integers are 64 bits wide)") from error
        except _REFUSALS as error:
            # Some errors say nothing, or only numbers. Best is to say what would be changed, else the kind of error.
            why = _changed(message, strict=strict) or f"{error.__class__.__name__}: {error}"
            raise InvalidMessage(f"{type}: {why}") from error
        if changed:
            raise InvalidMessage(f"{type}: {changed}")
        check_json(type, data)
        return data, encoded

    def decode(self, cls: Any, data: dict[str, Any]) -> Any:
        try:
            return self._decoder.build(cls, data)
        except (*_REFUSALS, InvalidDocumentError, FieldDoesNotExist, NotRegistered) as error:
            raise ValueError(str(error)) from error

    def key_text(self, cls: Any, attribute: str, value: object) -> str:
        field = cls._fields[attribute]
        try:
            if not is_exact(field, value):
                raise ValueError("would be stored as another value")
            converted = field.to_python(value)
            field.validate(converted)
            return key_text(field.to_mongo(converted))
        except (ValidationError, TypeError, ValueError, ArithmeticError) as error:
            raise ValueError(str(error) or type(error).__name__) from error


def _changed(message: Any, *, strict: bool) -> str:
    """Says which values would be stored as other ones; "" for a class that is not strict."""
    changed = list(itertools.islice(changes(message), _MOST_CHANGES)) if strict else []
    return f"{'; '.join(changed)}. Convert it yourself, or declare the message with strict=False" if changed else ""


def _not_defined(cls: Any, error: NotRegistered) -> NotDefined:
    return NotDefined(f"{cls.__name__} names a class that is not defined: {error}")


KIND: Kind = DocumentKind()

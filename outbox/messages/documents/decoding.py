"""Decodes a record's data into its message class, with no query, and with no trust in the class name that is stored.

mongoengine's own way follows references to today's documents, with queries that the reader does not see, and takes the
class from the name in `_cls`. Here the message's type names the class, and a reference stays what is stored: the id.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from mongoengine import EmbeddedDocument, fields  # type: ignore[import-untyped]  # mongoengine ships no types
from mongoengine.errors import NotRegistered  # type: ignore[import-untyped]  # as above

from outbox.messages.documents.mongoengine_internals import names

_AS_STORED = (fields.ReferenceField, fields.GenericReferenceField)


class Decoder:
    """Builds message instances. Thread-safe."""

    def __init__(self) -> None:
        self._fields: dict[type[Any], dict[str, Any]] = {}

    def build(self, cls: type[Any], data: Mapping[str, Any]) -> Any:
        """Builds an instance of the class. Leaves out fields that it does not know: a newer writer may have added them.

        Raises NotRegistered, and whatever mongoengine raises for data of another shape.
        """
        own = self._fields.get(cls)
        if own is None:
            self._fields[cls] = own = _quiet(cls)
        values = {}
        for name, field in own.items():
            if name != "_cls" and field.db_field in data:
                value = data[field.db_field]
                values[name] = None if value is None else self._value(field, value)
        message = cls(__auto_convert=False, _created=False, **values)
        message._fields = own
        message._changed_fields = []
        return message

    def _value(self, field: Any, value: Any) -> Any:
        if isinstance(field, _AS_STORED):
            return value
        if isinstance(field, fields.EmbeddedDocumentField):
            return self._embedded(field.document_type, value)
        if isinstance(field, fields.GenericEmbeddedDocumentField):
            return self.build(names().document_class(value["_cls"]), value)
        if isinstance(field, fields.ListField) and isinstance(value, list):
            return value if field.field is None else [self._value(field.field, item) for item in value]
        if isinstance(field, fields.DictField) and isinstance(value, dict):
            return (
                value if field.field is None else {name: self._value(field.field, item) for name, item in value.items()}
            )
        if isinstance(field, fields.DynamicField):
            return self._dynamic(value)
        return field.to_python(value)

    def _embedded(self, declared: type[Any], value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"{declared.__name__}: a {type(value).__name__} is no document")  # noqa: TRY004  # as _from_son
        name = value.get("_cls", declared._class_name)
        return self.build(declared if name == declared._class_name else names().document_class(name), value)

    def _dynamic(self, value: Any) -> Any:
        """Builds a document if its class is known; never follows a reference."""
        if not isinstance(value, dict) or "_cls" not in value or "_ref" in value:
            return value
        try:
            cls = names().document_class(value["_cls"])
        except NotRegistered:
            return value
        return self.build(cls, value) if issubclass(cls, EmbeddedDocument) else value


def _quiet(cls: type[Any]) -> dict[str, Any]:
    """Copies the class's fields so that they follow no reference; the user's documents may use the originals."""
    own: dict[str, Any] = copy.deepcopy(cls._fields)
    for field in own.values():
        inner = field
        while inner is not None:
            inner.set_auto_dereferencing(False)
            inner = getattr(inner, "field", None)
    return own

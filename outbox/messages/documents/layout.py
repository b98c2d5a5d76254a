"""Lays a compiled class out for the writer in C, which checks a message and makes its bytes in one pass.

A layout says of each field what its `Conversion` does, so that what the writer takes is what a plan takes, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from mongoengine import fields  # type: ignore[import-untyped]  # mongoengine ships no types
from mongoengine.base import BaseList, EmbeddedDocumentList  # type: ignore[import-untyped]  # as above

from outbox.messages.documents.conversions import LISTED, Convert, Unsure, base_of, choices_of, conversion
from outbox.messages.documents.mongoengine_internals import names
from outbox.messages.writing.layout import (
    BOOL,
    BY_PYTHON,
    DECIMAL,
    DOCUMENT,
    DOUBLE,
    INT,
    LEFT,
    LEFT_OUT,
    LIST,
    LONG,
    NULL,
    TEXT,
    DocumentLayout,
    FieldLayout,
    ValueLayout,
    bounds,
    by_python,
    encoded,
    encoded_date,
    is_length,
)

_NUMBERS = {
    **{integer: LONG for integer in names().integers if integer is not fields.IntField},
    fields.IntField: INT,
    fields.FloatField: DOUBLE,
}
_LISTS = frozenset({list, BaseList, EmbeddedDocumentList})


def field_layout(
    name: str, field: Any, document: Callable[[type], Convert], layout: Callable[[type], DocumentLayout]
) -> FieldLayout:
    """Lays a field out. `document` compiles a class inside it, `layout` lays one out. Raises NotCompiled."""
    of = _value(field, document, layout)
    none = LEFT if field.required else NULL if field.null else LEFT_OUT
    return name, field.db_field.encode(), none, none, of


def class_layout(name: str, value: str) -> FieldLayout:
    """Lays out where mongoengine keeps which class a document inside is of: no other value is taken."""
    return name, name.encode(), LEFT, LEFT, (TEXT, None, None, frozenset({value}))


def _value(field: Any, document: Callable[[type], Convert], layout: Callable[[type], DocumentLayout]) -> ValueLayout:
    base = base_of(field)
    if base is fields.EmbeddedDocumentField:
        return DOCUMENT, field.document_type, "_data", layout(field.document_type)
    if base in LISTED and field.field is not None and is_length(field.max_length):
        return LIST, _LISTS, 1 if field.required else None, field.max_length, _value(field.field, document, layout)
    if base is fields.StringField and field.regex is None and is_length(field.min_length, field.max_length):
        return TEXT, field.min_length, field.max_length, choices_of(field)
    if base in _NUMBERS:
        return _NUMBERS[base], bounds(ge=field.min_value, le=field.max_value), choices_of(field)
    if base is fields.Decimal128Field:
        return DECIMAL, bounds(ge=field.min_value, le=field.max_value), choices_of(field), Decimal
    if base is fields.BooleanField and not field.choices:
        return (BOOL,)
    plain, convert = conversion(field, document)
    if plain is datetime:
        return BY_PYTHON, _date
    return by_python(lambda value: value if type(value) is plain else convert(value))


def _date(value: Any) -> bytes:
    if type(value) is not datetime:
        raise Unsure
    return encoded_date(value) or encoded(value)

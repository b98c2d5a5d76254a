"""Lays a compiled class out for the writer in C, which checks a message and makes its bytes in one pass.

A layout says of each field what its `Conversion` does, so that what the writer takes is what a plan takes, and no more.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import bson
from mongoengine import fields  # type: ignore[import-untyped]  # mongoengine ships no types
from mongoengine.base import BaseList, EmbeddedDocumentList  # type: ignore[import-untyped]  # as above

from outbox.messages.documents.conversions import (
    LISTED,
    Conversion,
    Convert,
    Unsure,
    base_of,
    choices_of,
    conversion,
)
from outbox.messages.documents.mongoengine_internals import names
from outbox.mongo.codec import DECODED

ValueLayout = tuple[Any, ...]
"""One of these, as the writer knows them by their numbers:

`(TEXT, shortest, longest, choices)`, `(INT | LONG | DOUBLE, least, most, choices)`, `(DECIMAL, least, most, choices,
Decimal)`, `(BOOL,)`, `(DOCUMENT, its class, the attribute that has its values, DocumentLayout)`, `(LIST, classes,
shortest, longest, ValueLayout)`, `(BY_PYTHON, function)`.
None is no bound. A function takes a value, and returns the byte of its type and its bytes; it raises as a `Convert`.
"""
FieldLayout = tuple[str, bytes, bool, bool, ValueLayout]
"""The attribute, the stored name, whether it is required, and whether None is stored."""
DocumentLayout = tuple[FieldLayout, ...]

TEXT, INT, LONG, DOUBLE, DECIMAL, BOOL, DOCUMENT, LIST, BY_PYTHON = range(9)
_NUMBERS = {
    **{integer: LONG for integer in names().integers if integer is not fields.IntField},
    fields.IntField: INT,
    fields.FloatField: DOUBLE,
}
_LISTS = frozenset({list, BaseList, EmbeddedDocumentList})
_EPOCH, _UTC_EPOCH = datetime(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)  # noqa: DTZ001  # a date without a zone is in UTC
_MILLISECOND = timedelta(milliseconds=1)
_DATE = struct.Struct("<cq")
_LONGEST = 1 << 31


def field_layout(
    name: str, field: Any, document: Callable[[type], Convert], layout: Callable[[type], DocumentLayout]
) -> FieldLayout:
    """Lays a field out. `document` compiles a class inside it, `layout` lays one out. Raises NotCompiled."""
    of = _value(field, document, layout)
    return name, field.db_field.encode(), bool(field.required), bool(field.null), of


def class_layout(name: str, value: str) -> FieldLayout:
    """Lays out where mongoengine keeps which class a document inside is of: no other value is taken."""
    return name, name.encode(), True, False, (TEXT, None, None, frozenset({value}))


def _value(field: Any, document: Callable[[type], Convert], layout: Callable[[type], DocumentLayout]) -> ValueLayout:
    base = base_of(field)
    if base is fields.EmbeddedDocumentField:
        return DOCUMENT, field.document_type, "_data", layout(field.document_type)
    if base in LISTED and field.field is not None and _is_length(field.max_length):
        return LIST, _LISTS, 1 if field.required else None, field.max_length, _value(field.field, document, layout)
    if base is fields.StringField and field.regex is None and _is_length(field.min_length, field.max_length):
        return TEXT, field.min_length, field.max_length, choices_of(field)
    if base in _NUMBERS:
        return _NUMBERS[base], field.min_value, field.max_value, choices_of(field)
    if base is fields.Decimal128Field:
        return DECIMAL, field.min_value, field.max_value, choices_of(field), Decimal
    if base is fields.BooleanField and not field.choices:
        return (BOOL,)
    of = conversion(field, document)
    return BY_PYTHON, _date if of.plain is datetime else _by(of)


def _is_length(*given: object) -> bool:
    return all(value is None or (type(value) is int and value < _LONGEST) for value in given)


def _by(of: Conversion) -> Callable[[Any], bytes]:
    """Converts a value as a plan does, and encodes it as the driver does."""
    plain, convert = of
    return lambda value: _encoded(value if type(value) is plain else convert(value))


def _date(value: Any) -> bytes:
    if type(value) is not datetime:
        raise Unsure
    if value.tzinfo is None:
        return _DATE.pack(b"\x09", (value - _EPOCH) // _MILLISECOND)
    if value.tzinfo is UTC:
        return _DATE.pack(b"\x09", (value - _UTC_EPOCH) // _MILLISECOND)
    return _encoded(value)


def _encoded(stored: Any) -> bytes:
    alone = bson.encode({"": stored}, codec_options=DECODED)  # length, type, an empty name, value, and a zero byte
    return alone[4:5] + alone[6:-1]

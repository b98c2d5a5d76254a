"""Checks and converts a field's value in one step, for values that are stored as they are given: most are.

Each function takes the value, and returns what mongoengine's `validate` and `to_mongo` would make of it. It raises
Unsure, or any of `mongoengine`'s errors, where it cannot say so: mongoengine is asked then, and makes the error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from bson import Int64, ObjectId
from mongoengine import fields  # type: ignore[import-untyped]  # mongoengine ships no types
from mongoengine.base import BaseDict, BaseField, BaseList, EmbeddedDocumentList  # type: ignore[import-untyped]  # as above

from outbox.messages.decimals import decimal128
from outbox.messages.documents.exact import is_exact
from outbox.messages.documents.mongoengine_internals import names
from outbox.messages.not_json import not_json

Convert = Callable[[Any], Any]


class Unsure(Exception):
    """A value that only mongoengine can judge. Never leaves the package."""


class NotCompiled(Exception):
    """A class or field that may have a way of its own, so that mongoengine has to do it all. Never leaves the room."""


class Conversion(NamedTuple):
    """How the value of a field, which is not None, is stored."""

    plain: type | None
    """Values of this very type are stored as they are; None when there is none."""
    convert: Convert
    """Converts a value of any type. Raises as this module says."""


_WAYS = ("validate", "_validate", "_validate_choices", "to_mongo", "to_python", "_to_mongo_safe_call")
LISTED, _NAMED = (fields.ListField, fields.EmbeddedDocumentListField), (fields.DictField, fields.MapField)
_LISTS = frozenset({list, tuple, BaseList, EmbeddedDocumentList})
_DICTS = frozenset({dict, BaseDict})
_ANY = frozenset({str, int, bool, type(None), datetime, ObjectId, UUID})


def conversion(field: Any, document: Callable[[type], Convert]) -> Conversion:
    """Compiles a field. `document` does so for a class inside it. Raises NotCompiled."""
    base = base_of(field)
    if base in LISTED:
        return Conversion(None, _list(field, document))
    if base in _NAMED:
        return Conversion(None, _dict(field, document))
    if base is fields.EmbeddedDocumentField:
        if field.choices:
            raise NotCompiled
        return Conversion(None, document(field.document_type))
    if base in _KINDS:
        kind = _KINDS[base]
        if not field.choices and all(getattr(field, option, None) is None for option in _OPTIONS):
            return Conversion(kind, _refuse)
        return Conversion(None, _checked(field, kind))
    if base in _CONVERTED:
        return Conversion(None, _CONVERTED[base](field))
    if base in _LEAVES:
        return Conversion(None, _by_mongoengine(field))
    raise NotCompiled


def base_of(field: Any) -> type:
    """Returns the class of mongoengine's whose way the field goes. Raises NotCompiled when it goes its own."""
    base: type = next(each for each in type(field).__mro__ if each.__module__.startswith("mongoengine."))
    own = any(getattr(type(field), way, None) is not getattr(base, way, None) or way in vars(field) for way in _WAYS)
    if own or field.validation is not None or field._auto_gen:
        raise NotCompiled
    return base


def _refuse(value: Any) -> Any:
    raise Unsure


def _checked(field: Any, kind: Any) -> Convert:
    """Takes values of one type, within the field's bounds."""
    choices = choices_of(field)
    least, most = getattr(field, "min_value", None), getattr(field, "max_value", None)
    shortest, longest = getattr(field, "min_length", None), getattr(field, "max_length", None)
    matches = None if getattr(field, "regex", None) is None else field.regex.match

    def convert(value: Any) -> Any:
        if (
            type(value) is not kind
            or (choices is not None and value not in choices)
            or (least is not None and value < least)
            or (most is not None and value > most)
            or (shortest is not None and len(value) < shortest)
            or (longest is not None and len(value) > longest)
            or (matches is not None and matches(value) is None)
        ):
            raise Unsure
        return value

    return convert


def choices_of(field: Any) -> frozenset[Any] | None:
    if not field.choices:
        return None
    if not isinstance(field.choices, (list, tuple, set, frozenset)):
        raise NotCompiled
    values = list(field.choices)
    try:
        return frozenset(value for value, _ in values) if isinstance(values[0], (list, tuple)) else frozenset(values)
    except (TypeError, ValueError):
        raise NotCompiled from None


def _float(field: Any) -> Convert:
    checked = _checked(field, float)

    def convert(value: Any) -> Any:
        if not math.isfinite(checked(value)):
            raise Unsure
        return value

    return convert


def _long(field: Any) -> Convert:
    checked = _checked(field, int)
    return lambda value: Int64(checked(value))


def _decimal128(field: Any) -> Convert:
    checked = _checked(field, Decimal)

    def convert(value: Any) -> Any:
        stored = decimal128(checked(value))
        if stored is None:
            raise Unsure
        return stored

    return convert


def _day(field: Any) -> Convert:
    checked = _checked(field, date)

    def convert(value: Any) -> Any:
        day = checked(value)
        return datetime(day.year, day.month, day.day)  # noqa: DTZ001  # the driver takes it for UTC, as mongoengine's

    return convert


def _uuid(field: Any) -> Convert:
    checked = _checked(field, UUID)
    return checked if field._binary else lambda value: str(checked(value))


def _bytes(field: Any) -> Convert:
    checked = _checked(field, bytes)
    most = field.max_bytes

    def convert(value: Any) -> Any:
        content = checked(value)
        if most is not None and len(content) > most:
            raise Unsure
        return content

    return convert


def _enum(field: Any) -> Convert:
    choices = choices_of(field) or frozenset()
    members = (choice for choice in choices if isinstance(choice, field._enum_cls))
    stored = {member: member.value for member in members if type(member.value) in (str, int)}
    checked = _checked(field, field._enum_cls)
    return lambda value: stored[checked(value)]


def _by_mongoengine(field: Any) -> Convert:
    """Lets mongoengine check and convert the value, of a field whose values run no code of the program's."""

    def convert(value: Any) -> Any:
        field._validate(value)
        stored = field.to_mongo(value)
        if stored is None or not is_exact(field, value) or not_json({"": stored}) is not None:
            raise Unsure
        return stored

    return convert


def _list(field: Any, document: Callable[[type], Convert]) -> Convert:
    if field.choices:
        raise NotCompiled
    plain, item = (None, _anything) if field.field is None else conversion(field.field, document)
    most, is_required = field.max_length, field.required

    def convert(value: Any) -> Any:
        if type(value) not in _LISTS or (is_required and not value) or (most is not None and len(value) > most):
            raise Unsure
        return [each if type(each) is plain else item(each) for each in value]

    return convert


def _dict(field: Any, document: Callable[[type], Convert]) -> Convert:
    if field.choices:
        raise NotCompiled
    plain, item = (None, _anything) if field.field is None else conversion(field.field, document)
    is_required = field.required

    def convert(value: Any) -> Any:
        if type(value) not in _DICTS or (is_required and not value):
            raise Unsure
        return {_name(name): each if type(each) is plain else item(each) for name, each in value.items()}

    return convert


def _name(name: Any) -> str:
    if type(name) is not str or name.startswith("$"):
        raise Unsure
    return name


def _anything(value: Any) -> Any:
    kind = type(value)
    if kind in _ANY or (kind is float and math.isfinite(value)):
        return value
    if kind in _DICTS:
        return {_name(name): _anything(each) for name, each in value.items()}
    if kind in _LISTS:
        return [_anything(each) for each in value]
    raise Unsure


_OPTIONS = ("min_value", "max_value", "min_length", "max_length", "regex")
_KINDS: dict[type[BaseField], type] = {
    fields.StringField: str,
    fields.IntField: int,
    fields.BooleanField: bool,
    fields.DateTimeField: datetime,
    fields.ObjectIdField: ObjectId,
}
"""Field classes that store the values of one type as they are."""
_CONVERTED: dict[type[BaseField], Callable[[Any], Convert]] = {
    **{integer: _long for integer in names().integers if integer is not fields.IntField},
    fields.FloatField: _float,
    fields.Decimal128Field: _decimal128,
    fields.DateField: _day,
    fields.UUIDField: _uuid,
    fields.BinaryField: _bytes,
    fields.EnumField: _enum,
}
_LEAVES = (
    *(fields.DecimalField, fields.ComplexDateTimeField, fields.URLField, fields.EmailField, fields.GeoPointField),
    *(fields.PointField, fields.LineStringField, fields.PolygonField),
    *(fields.MultiPointField, fields.MultiLineStringField, fields.MultiPolygonField),
)
"""Field classes whose values are left to mongoengine, one by one."""
COMPILED = frozenset({*_KINDS, *_CONVERTED, *_LEAVES, *LISTED, *_NAMED, fields.EmbeddedDocumentField})
"""All field classes that `conversion` compiles."""

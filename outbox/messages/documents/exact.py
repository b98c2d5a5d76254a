"""Checks that values are stored as they were given: mongoengine by itself makes 2 of 2.9, and True of "false"."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from bson import Binary, DBRef, Decimal128
from mongoengine import Document, EmbeddedDocument, fields  # type: ignore[import-untyped]  # it ships no types

from outbox.messages.decimals import decimal128
from outbox.messages.documents.mongoengine_internals import names

_CHARACTERS = 60


def changes(document: Any) -> Iterator[str]:
    """Yields each value in a document that would be stored as another one, as `path: why`."""
    data = document._data
    for name, field, plain in _fields_of(type(document)):
        value = data.get(name)
        if value is not None and type(value) not in plain:
            yield from _changes(field, value, name)


def _fields_of(cls: type[Any]) -> tuple[tuple[str, Any, frozenset[type]], ...]:
    known = _FIELDS.get(cls)  # a cache, for it is called for each document in each message that is put
    if known is None:
        known = _FIELDS[cls] = tuple((name, field, _rule(type(field)).plain) for name, field in cls._fields.items())
    return known


def is_exact(field: Any, value: Any) -> bool:
    """Tells whether the field keeps the value. What it cannot convert at all is left to mongoengine to refuse."""
    return next(_changes(field, value, ""), None) is None


def keep_what_is_given(cls: type[Any]) -> None:
    """Makes instances of the class keep a value that a conversion would change, so that `put` can refuse it.

    Without this, mongoengine converts it in the constructor, and the given value is gone. Idempotent.
    """
    construct = cls.__init__
    if hasattr(construct, "_keeps_what_is_given"):
        return

    own = not construct.__module__.startswith("mongoengine.")  # the class's own may have other parameters

    @functools.wraps(construct)
    def constructed(self: Any, *args: Any, **values: Any) -> None:
        inexact = {}
        if values.get("__auto_convert", True):
            own_fields = self._fields
            for name, value in values.items():
                if value is None or name not in own_fields or type(value) in _rule(type(own_fields[name])).plain:
                    continue
                if isinstance(value, Iterator):
                    value = values[name] = list(value)  # noqa: PLW2901  # to be looked at, and then to be stored
                if not is_exact(own_fields[name], value):
                    inexact[name] = value
        if inexact and not own:
            values = {name: value for name, value in values.items() if name not in inexact}
        construct(self, *args, **values)
        for name, value in inexact.items():
            self._data[name] = value

    constructed._keeps_what_is_given = True  # type: ignore[attr-defined]  # the mark that it has been done
    cls.__init__ = constructed  # the only place before the conversion


def keep_in_all(cls: type[Any]) -> None:
    """Does the same for the class and all classes inside it. Raises NotRegistered for one that is not defined yet."""
    seen: set[type[Any]] = set()
    waiting = [cls]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        keep_what_is_given(current)
        for field in current._fields.values():
            waiting.extend(_classes_in(field))


def _classes_in(field: Any) -> Iterator[type[Any]]:
    inner = getattr(field, "field", None)
    if inner is not None:
        yield from _classes_in(inner)
    declared = (field.document_type,) if isinstance(field, fields.EmbeddedDocumentField) else ()
    if isinstance(field, fields.GenericEmbeddedDocumentField):
        declared = tuple(field.choices or ())
    for inside in declared:
        yield inside
        yield from inside.__subclasses__()


def _changes(field: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, EmbeddedDocument):
        for inner in changes(value):
            yield f"{path}.{inner}"
    elif isinstance(field, fields.EmbeddedDocumentField) and isinstance(value, Mapping):
        yield from _in_document(field.document_type, value, path)
    elif isinstance(field, fields.GenericEmbeddedDocumentField) and isinstance(value, Mapping) and "_cls" in value:
        yield from _in_document(names().document_class(value["_cls"]), value, path)
    elif isinstance(field, fields.ListField):
        yield from _in_list(field, value, path)
    elif isinstance(field, fields.DictField) and isinstance(value, Mapping):
        for name, item in value.items():
            yield from _changes(field.field, item, f"{path}.{name}")
    elif value is not None and (why := _rule(type(field)).why(field, value)) is not None:
        yield f"{path}: {_short(value)} {why}"


def _in_document(cls: type[Any], value: Mapping[Any, Any], path: str) -> Iterator[str]:
    """Checks a dict given in place of a document: by the fields' stored names, as mongoengine takes it."""
    stored = {field.db_field: field for field in cls._fields.values()}
    for name, item in value.items():
        field = stored.get(name) or cls._fields.get(name)
        if field is not None:
            yield from _changes(field, item, f"{path}.{name}")


def _in_list(field: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, (bytes, bytearray)):
        yield f"{path}: {_short(value)} would be stored as a list of numbers: use a BinaryField"
    elif isinstance(value, list) or (isinstance(value, Iterable) and not isinstance(value, (str, Mapping, Iterator))):
        plain = _rule(type(field.field)).plain
        for index, item in enumerate(value):
            if type(item) not in plain:
                for inner in _changes(field.field, item, ""):
                    yield f"{path}[{index}]{inner}"


class _Rule(NamedTuple):
    """The rule of a field class. `plain`: the types that it stores as they are; most values are of these."""

    plain: frozenset[type]
    why: Callable[[Any, Any], str | None]
    """Says why a field would store another value; None when it stores this one, or refuses it."""


def _rule(field_class: type) -> _Rule:
    rule = _KNOWN.get(field_class)
    if rule is None:
        rule = next((_RULES[base] for base in field_class.__mro__ if base in _RULES), _NONE)
        _KNOWN[field_class] = rule
    return rule


def _integer(field: Any, value: Any) -> str | None:
    if isinstance(value, (str, bytes)):
        return None  # int() takes text of whole numbers only, and keeps all digits
    if isinstance(value, float) and not math.isfinite(value):
        return "is no whole number"
    try:
        return None if int(value) == value else "is no whole number, and would be cut off"
    except (TypeError, ValueError, ArithmeticError):
        return None


def _boolean(field: Any, value: Any) -> str | None:
    return None if isinstance(value, (bool, int)) and value in (0, 1) else "is no bool: give True or False"


def _float(field: Any, value: Any) -> str | None:
    given = _number(value)
    if given is None or isinstance(value, float):
        return None
    try:
        kept = float(given)
    except ValueError:  # a signalling NaN
        return "is no number"
    # A double is kept if it is exact, or if it is the one that a decimal text such as "9.90" stands for.
    if Decimal(kept) == given or Decimal(repr(kept)) == given:
        return None
    return f"has more digits than a double keeps ({kept!r}): use a Decimal128Field or an IntField"


def _decimal(field: Any, value: Any) -> str | None:
    given = Decimal(float.__repr__(value)) if isinstance(value, float) else _number(value)
    if given is None or not given.is_finite():
        return None if given is None else "is no number that can be compared or sent as JSON"
    try:
        back = field.to_python(field.to_mongo(value))
    except ArithmeticError:
        return "has more digits than the field keeps"
    if back == given:
        return None
    return f"would be stored as {back}: the field keeps {field.precision} decimal places, and a double's digits"


def _decimal128(field: Any, value: Any) -> str | None:
    if isinstance(value, float):
        return "is a float, which has other digits than it shows: give a Decimal or text"
    given = _number(value)
    if given is None:
        return None
    if not given.is_finite():
        return "is no number that can be compared or sent as JSON"
    if decimal128(given) is not None:
        return None  # nearly all have so few digits, and this is several times as fast as a conversion
    try:
        return None if Decimal128(given).to_decimal() == given else "has more digits than a Decimal128 keeps"
    except ArithmeticError:
        return "has more digits than a Decimal128 keeps"


def _number(value: Any) -> Decimal | None:
    """Reads a number, or the text of one, as a Decimal with all digits; None when it is no number."""
    if isinstance(value, Decimal128):
        return value.to_decimal()
    try:
        return Decimal(value) if isinstance(value, (str, int, float, Decimal)) else None
    except ArithmeticError:
        return None


def _moment(field: Any, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        given = datetime.fromisoformat(value.strip())
    except ValueError:
        return "is no date as ISO 8601 writes it, so it would be guessed: give a datetime"
    return None if _instant(field.to_mongo(value)) == _instant(given) else "would be stored as another time"


def _day(field: Any, value: Any) -> str | None:
    why = _moment(field, value)
    given = datetime.fromisoformat(value.strip()) if why is None and isinstance(value, str) else value
    if why is None and isinstance(given, datetime) and (given.timetz().replace(tzinfo=None) != datetime.min.time()):
        return "has a time of day, which a DateField drops: give its date(), or use a DateTimeField"
    return why


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"


def _instant(value: Any) -> Any:
    """Takes a naive time for UTC, as pymongo does."""
    if not isinstance(value, datetime):
        return value
    offset = value.utcoffset()
    return (value if offset is None else value - offset).replace(tzinfo=None)


def _zoneless(field: Any, value: Any) -> str | None:
    if isinstance(value, datetime) and value.utcoffset():
        return "has an offset from UTC, which a ComplexDateTimeField drops: give it in UTC"
    return None


def _uuid(field: Any, value: Any) -> str | None:
    return None if isinstance(value, (UUID, str)) else "is no UUID, nor the text of one"


def _text(field: Any, value: Any) -> str | None:
    return "is bytes: decode it to text" if isinstance(value, (bytes, bytearray)) else None


def _binary(field: Any, value: Any) -> str | None:
    return f"has the subtype {value.subtype}, which is dropped" if isinstance(value, Binary) and value.subtype else None


def _reference(field: Any, value: Any) -> str | None:
    target = field.document_type
    if isinstance(value, DBRef):
        collection = None if target._meta.get("abstract") else target._get_collection_name()
        return None if collection in (None, value.collection) else f"is of another collection than {collection}"
    identity = target._fields[target._meta["id_field"]]
    return None if isinstance(value, Document) else _rule(type(identity)).why(identity, value)


_NONE = _Rule(frozenset(), lambda field, value: None)
_KNOWN: dict[type, _Rule] = {}
_FIELDS: dict[type, tuple[tuple[str, Any, frozenset[type]], ...]] = {}
_RULES: dict[type, _Rule] = {
    fields.ComplexDateTimeField: _Rule(frozenset(), _zoneless),
    fields.StringField: _Rule(frozenset({str}), _text),
    **dict.fromkeys(names().integers, _Rule(frozenset({int}), _integer)),
    fields.FloatField: _Rule(frozenset({float}), _float),
    fields.DecimalField: _Rule(frozenset(), _decimal),
    fields.Decimal128Field: _Rule(frozenset(), _decimal128),
    fields.BooleanField: _Rule(frozenset({bool}), _boolean),
    fields.DateField: _Rule(frozenset({date}), _day),
    fields.DateTimeField: _Rule(frozenset({date, datetime}), _moment),
    fields.UUIDField: _Rule(frozenset({UUID}), _uuid),
    fields.BinaryField: _Rule(frozenset({bytes}), _binary),
    fields.ReferenceField: _Rule(frozenset(), _reference),
    fields.LazyReferenceField: _Rule(frozenset(), _reference),
}
"""By field class, when a value would change. Other field classes keep it, or mongoengine refuses it."""

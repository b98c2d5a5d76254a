"""Reads the annotations of a model's fields, and finds the form of each."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, Flag
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import pydantic
from bson import Decimal128, ObjectId
from pydantic import BaseModel, RootModel
from typing_extensions import TypeAliasType

from outbox.messages.dialects import FieldPath
from outbox.messages.models.constraints import Constraints, converts
from outbox.messages.models.containers import Anything, Choice, Items, Row, Table, kind_of_value
from outbox.messages.models.forms import Form, Unfit
from outbox.messages.models.model import Root
from outbox.messages.models.numbers import Double, Exact, Truth, Whole
from outbox.messages.models.refused import instead, is_dumped_otherwise
from outbox.messages.models.scalars import Day, Id, Moment, Nothing, Raw, Text, TimeOfDay, Universal
from outbox.messages.models.union import Union

_SCALARS: dict[Any, Callable[..., Form]] = {
    str: lambda **of: Text("string", **of),
    int: lambda **of: Whole("int", **of),
    float: lambda **of: Double("number", **of),
    Decimal: lambda **of: Exact("decimal", **of),
    bool: lambda **of: Truth("bool", **of),
    bytes: lambda **of: Raw("binary", **of),
    UUID: lambda **of: Universal("uuid", **of),
    datetime: lambda **of: Moment("date", **of),
    date: lambda **of: Day("date", **of),
    time: lambda **of: TimeOfDay("string", **of),
    type(None): lambda **of: Nothing("null", **of),
    pydantic.EmailStr: lambda **of: Text("string", **of),
    pydantic.AwareDatetime: lambda **of: Moment("date", **of),
    pydantic.NaiveDatetime: lambda **of: Moment("date", naive=True, **of),
    pydantic.PastDatetime: lambda **of: Moment("date", **of),
    pydantic.FutureDatetime: lambda **of: Moment("date", **of),
    pydantic.PastDate: lambda **of: Day("date", **of),
    pydantic.FutureDate: lambda **of: Day("date", **of),
}
_COLLECTIONS = (list, set, frozenset)
_ALIASES = (TypeAliasType, getattr(typing, "TypeAliasType", TypeAliasType))
"""What `type X = …` makes: from Python 3.12 on, typing has a class of its own for it."""


@dataclass(frozen=True)
class Place:
    """Holds where an annotation stands, and what the model around it says of all its fields."""

    path: FieldPath
    model: Callable[[type[BaseModel], FieldPath], Form]
    """Finds the form of a model."""
    rust: bool
    """Whether patterns are Rust's: the default of pydantic."""
    enum_values: bool
    """Whether the model holds an enum's values instead of its members."""

    def inner(self, step: str) -> Place:
        """Returns the place one step further in."""
        return replace(self, path=self.path.child(step))


def form_of(annotation: Any, metadata: Iterable[Any], place: Place) -> Form:
    """Returns the form of a type. Raises InvalidMessageClass for one that has none, naming its path."""
    metadata = list(metadata)
    while True:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is Annotated:
            annotation, metadata = arguments[0], [*arguments[1:], *metadata]
        elif isinstance(annotation, _ALIASES):
            annotation = annotation.__value__
        elif isinstance(origin, _ALIASES):
            annotation = origin.__value__[arguments]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        else:
            break
    why = is_dumped_otherwise(metadata)
    if why is not None:
        raise place.path.error(f"{why}, and a message is stored by its type: drop it, or use a computed_field")
    try:
        return _form(annotation, metadata, place)
    except Unfit as error:
        raise place.path.error(str(error)) from None


def _form(annotation: Any, metadata: list[Any], place: Place) -> Form:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    by_user = converts(metadata)
    limits = Constraints.of(metadata, rust=place.rust)
    if origin in (typing.Union, types.UnionType):
        return Union.of([form_of(member, metadata, place) for member in arguments], by_user=by_user)
    if origin is Literal:
        members = [(value, value.value if isinstance(value, Enum) else value) for value in arguments]
        return _choice(members, by_user=by_user)
    if annotation in (Any, object):
        return Anything(by_user=by_user)
    if isinstance(annotation, typing.Hashable) and annotation in _SCALARS:
        return _SCALARS[annotation](limits=limits, by_user=by_user)
    kind = origin or annotation
    if kind in _COLLECTIONS:
        item = form_of(arguments[0], (), place.inner("[]")) if arguments else Anything()
        return Items(item, kind, limits, by_user=by_user)
    if origin is tuple:
        return _tuple(arguments, limits, place, by_user=by_user)
    if kind is dict:
        key, value = arguments or (str, Any)
        return Table(_key(key, place), form_of(value, (), place.inner("{}")), limits, by_user=by_user)
    if isinstance(annotation, type):
        return _class(annotation, limits, place, by_user=by_user)
    raise place.path.error(f"{_text(annotation)} has no BSON form: use {instead(origin or annotation)}")


def _class(cls: type[Any], limits: Constraints, place: Place, *, by_user: bool) -> Form:
    if issubclass(cls, Enum) and not issubclass(cls, Flag):
        return _enum(cls, place, by_user=by_user)
    if issubclass(cls, ObjectId):
        return Id("objectId", limits, cls, by_user=by_user)
    if issubclass(cls, RootModel):
        if cls in place.path.within:
            raise place.path.error(f"{cls.__name__} contains itself, and MongoDB's $jsonSchema has no recursion")
        inside = replace(place, path=replace(place.path, within=(*place.path.within, cls)))
        field = cls.model_fields["root"]
        return Root(cls, form_of(field.annotation, field.metadata, inside), by_user=by_user)
    if issubclass(cls, BaseModel):
        return place.model(cls, place.path)
    raise place.path.error(f"{cls.__name__} has no BSON form: use {instead(cls)}")


def _enum(cls: type[Enum], place: Place, *, by_user: bool) -> Form:
    members = list(cls)
    if not members:
        raise place.path.error(f"{cls.__name__} has no members")
    if place.enum_values:
        # A default that is not validated stays a member all the same.
        values = [(member.value, member.value) for member in members]
        return _choice([*values, *((member, member.value) for member in members)], by_user=by_user)
    return _choice([(member, member.value) for member in members], by_user=by_user)


def _choice(members: list[tuple[Any, Any]], *, by_user: bool) -> Choice:
    stored = [(member, Decimal128(value) if isinstance(value, Decimal) else value) for member, value in members]
    for _, value in stored:
        kind_of_value(value)
    return Choice(stored, by_user=by_user)


def _tuple(arguments: tuple[Any, ...], limits: Constraints, place: Place, *, by_user: bool) -> Form:
    if len(arguments) == 2 and arguments[1] is ...:
        return Items(form_of(arguments[0], (), place.inner("[]")), tuple, limits, by_user=by_user)
    if any(typing.get_origin(each) is typing.Unpack for each in arguments):
        raise place.path.error("a tuple with Unpack has no BSON form: use list, or tuple[…, ...]")
    places = [form_of(each, (), place.inner(f"[{index}]")) for index, each in enumerate(arguments)]
    return Row(tuple(places), by_user=by_user)


def _key(annotation: Any, place: Place) -> Form:
    """Returns the form of a dict's keys, which are text."""
    form = form_of(annotation, (), place.inner("{key}"))
    is_text = isinstance(form, Text) or (isinstance(form, Choice) and form.types == {"string"})
    if not is_text:
        raise place.path.error(
            f"a dict whose keys are {_text(annotation)} has no BSON form, for keys are text: use dict[str, …], "
            "or a list of pairs"
        )
    return form


def _text(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")

"""The forms of what holds other values: lists, sets, tuples, dicts, choices, and whatever BSON has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import bson
from bson import Binary, Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS

from outbox.messages.choices import identity
from outbox.messages.dialects import Dialect, Schema
from outbox.messages.models.constraints import Constraints
from outbox.messages.models.forms import Form, Inside, Unfit, inside, short
from outbox.messages.writing.layout import LIST, ValueLayout, is_length
from outbox.mongo.codec import DECODED

NO_OPERATORS: Schema = {"^[$]": {"not": {}}}
"""The `patternProperties` of a document whose keys are not known: none begins with `$`."""
_AS_THEY_ARE = frozenset(
    {str, bool, int, Int64, type(None), bytes, Binary, datetime, DatetimeMS, ObjectId, UUID, Decimal128}
)
_LISTS = frozenset({list})


def check_name(name: object) -> None:
    """Raises Unfit for what cannot be a key of a document."""
    if not isinstance(name, str):
        raise Unfit(f"the key {short(name)} is a {type(name).__name__}, not text")
    if name.startswith("$") or "\0" in name:
        raise Unfit(f"the key {short(name)} begins with '$', or holds a zero character")


@dataclass(frozen=True)
class Items(Form):
    """Stores list, set, frozenset and tuple of any length."""

    item: Form
    cls: type[Any]
    limits: Constraints

    def schema(self, dialect: Dialect) -> Schema:
        schema = {**dialect.scalar("array"), **self.limits.sizes("Items"), "items": self.item.schema(dialect)}
        if schema["items"] == {}:
            del schema["items"]
        return {**schema, "uniqueItems": True} if self._is_set else schema

    def encode(self, value: Any) -> Any:
        if type(value) is not self.cls:
            raise Unfit(f"{short(value)} is a {type(value).__name__}, not a {self.cls.__name__}")
        self.limits.check_size(value)
        items: list[Any] = []
        try:
            for item in value:
                items.append(self.item.encode(item))  # noqa: PERF401  # how many there are is where it failed
        except Unfit as error:
            raise inside(len(items), error) from None
        # A set of text has another order in each process: equal messages are to be stored alike.
        return sorted(items, key=_order) if self._is_set else items

    @property
    def layout(self) -> ValueLayout:
        if self.cls is not list or not is_length(self.limits.min_length, self.limits.max_length):
            return super().layout
        return LIST, _LISTS, self.limits.min_length, self.limits.max_length, self.item.layout

    def decode(self, stored: Any) -> Any:
        return self.cls(_decoded([self.item] * len(_listed(stored)), stored))

    @property
    def _is_set(self) -> bool:
        return self.cls in (set, frozenset)

    @property
    def types(self) -> frozenset[str]:
        return frozenset({"array"})

    @property
    def is_plain(self) -> bool:
        return self.cls is list and self.item.is_plain

    def known(self, stored: Any) -> int:
        return sum(map(self.item.known, stored)) if isinstance(stored, list) else 0


@dataclass(frozen=True)
class Row(Form):
    """Stores a tuple, each of whose places has a type of its own."""

    places: tuple[Form, ...]

    def schema(self, dialect: Dialect) -> Schema:
        size = len(self.places)
        schema = {**dialect.scalar("array"), "minItems": size, "maxItems": size}
        if not size:
            return {**dialect.scalar("array"), "maxItems": 0}
        if dialect.people:
            return {**schema, "prefixItems": [place.schema(dialect) for place in self.places], "items": False}
        return {**schema, "items": [place.schema(dialect) for place in self.places]}

    def encode(self, value: Any) -> Any:
        if not isinstance(value, tuple) or len(value) != len(self.places):
            raise Unfit(f"{short(value)} is no tuple of {len(self.places)}")
        items = []
        for index, (place, item) in enumerate(zip(self.places, value, strict=True)):
            with Inside(index):
                items.append(place.encode(item))
        return items

    def decode(self, stored: Any) -> Any:
        if len(_listed(stored)) != len(self.places):
            raise Unfit(f"{short(stored)} has not {len(self.places)} items")
        return tuple(_decoded(self.places, stored))

    @property
    def types(self) -> frozenset[str]:
        return frozenset({"array"})


@dataclass(frozen=True)
class Table(Form):
    """Stores a dict whose keys are text."""

    key: Form
    value: Form
    limits: Constraints

    def schema(self, dialect: Dialect) -> Schema:
        schema = {**dialect.scalar("object"), **self.limits.sizes("Properties")}
        value = self.value.schema(dialect)
        if isinstance(self.key, Choice):
            names = [self.key.decoded[each] for each in self.key.decoded]
            properties = {self.key.encode(name): value for name in names}
            return {**schema, "properties": properties, "additionalProperties": False}
        schema["patternProperties"] = NO_OPERATORS
        return schema if value == {} else {**schema, "additionalProperties": value}

    def encode(self, value: Any) -> Any:
        if type(value) is not dict:
            raise Unfit(f"{short(value)} is a {type(value).__name__}, not a dict")
        self.limits.check_size(value)
        stored = {}
        for name, item in value.items():
            text = self.key.encode(name)
            check_name(text)
            with Inside(text):
                stored[text] = self.value.encode(item)
        return stored

    def decode(self, stored: Any) -> Any:
        if not isinstance(stored, dict):
            raise Unfit(f"{short(stored)} is no document")
        values = {}
        for name, item in stored.items():
            with Inside(name):
                values[self.key.decode(name)] = self.value.decode(item)
        return values

    @property
    def types(self) -> frozenset[str]:
        return frozenset({"object"})

    @property
    def is_plain(self) -> bool:
        return self.key.is_plain and self.value.is_plain


class Choice(Form):
    """Stores one of several values: those of a Literal, or an enum's members by their values."""

    def __init__(self, members: Sequence[tuple[Any, Any]], *, by_user: bool = False) -> None:
        """members: as Python has them, and as BSON does."""
        object.__setattr__(self, "by_user", by_user)
        object.__setattr__(self, "stored", {(type(member), member): stored for member, stored in members})
        decoded: dict[Any, Any] = {}
        for member, stored in members:
            decoded.setdefault(identity(stored), member)
        object.__setattr__(self, "decoded", decoded)

    stored: dict[tuple[type, Any], Any]
    decoded: dict[Any, Any]

    def schema(self, dialect: Dialect) -> Schema:
        return dialect.enum(self.stored.values())

    def encode(self, value: Any) -> Any:
        try:
            return self.stored[type(value), value]
        except (KeyError, TypeError):
            raise Unfit(f"{short(value)} is none of {short([*self.decoded.values()])}") from None

    def decode(self, stored: Any) -> Any:
        try:
            return self.decoded[identity(stored)]
        except KeyError:
            raise Unfit(f"{short(stored)} is none of the choices") from None

    @property
    def types(self) -> frozenset[str]:
        return frozenset(kind_of_value(stored) for stored in self.stored.values())

    @property
    def is_plain(self) -> bool:
        return all(kind is type(stored) for (kind, _), stored in self.stored.items())


def kind_of_value(stored: Any) -> str:
    """Returns the kind of leaf of a choice. Raises Unfit for what an enum of a schema cannot hold."""
    if isinstance(stored, float) and not math.isfinite(stored):
        raise Unfit(f"the choice {stored} is no number that JSON has")
    kinds: dict[type, str] = {
        str: "string", bool: "bool", int: "int", float: "number", bytes: "binary", type(None): "null",
        Decimal128: "decimal", UUID: "uuid", ObjectId: "objectId", datetime: "date",
    }  # fmt: skip
    if type(stored) not in kinds:
        raise Unfit(f"the choice {short(stored)} is a {type(stored).__name__}, which is no single value of BSON")
    return kinds[type(stored)]


@dataclass(frozen=True)
class Anything(Form):
    """Stores any value of BSON that JSON has as well."""

    def schema(self, dialect: Dialect) -> Schema:
        return {}

    def encode(self, value: Any) -> Any:
        kind = type(value)
        if kind in _AS_THEY_ARE or (kind is float and math.isfinite(value)):
            return value
        if kind is list:
            items = []
            for index, item in enumerate(value):
                with Inside(index):
                    items.append(self.encode(item))
            return items
        if kind is dict:
            return self._document(value)
        advice = "a Decimal128" if kind is Decimal else "a field of that type"
        raise Unfit(f"{short(value)} is a {kind.__name__}, which a field of any type cannot store: use {advice}")

    def _document(self, value: dict[Any, Any]) -> Any:
        stored = {}
        for name, item in value.items():
            check_name(name)
            with Inside(name):
                stored[name] = self.encode(item)
        return stored

    def decode(self, stored: Any) -> Any:
        return stored

    @property
    def types(self) -> frozenset[str]:
        return frozenset({"any"})

    @property
    def is_plain(self) -> bool:
        return True


def _order(stored: Any) -> tuple[str, Any]:
    """Orders what a set holds, by type and then by value."""
    if isinstance(stored, (str, int, float, bytes, datetime)):
        return type(stored).__name__, stored
    return "", bson.encode({"": stored}, codec_options=DECODED)


def _listed(stored: Any) -> list[Any]:
    if not isinstance(stored, list):
        raise Unfit(f"{short(stored)} is no list")
    return stored


def _decoded(forms: Sequence[Form], stored: list[Any]) -> Iterator[Any]:
    for index, (form, item) in enumerate(zip(forms, stored, strict=True)):
        with Inside(index):
            yield form.decode(item)

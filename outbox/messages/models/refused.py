"""Lists what a field cannot have: types without a BSON form, with what to use instead, and serializers."""

from __future__ import annotations

import dataclasses
import fractions
import ipaddress
import pathlib
import re
from collections import abc, deque
from collections.abc import Iterable
from datetime import timedelta, tzinfo
from enum import Flag
from typing import Any, TypeVar

import bson
from pydantic import PlainSerializer, WrapSerializer
from pydantic.fields import FieldInfo

_TEXT = "str, and convert it yourself"
_INSTEAD: dict[type, str] = {
    timedelta: "an int of milliseconds, or a float of seconds",
    tzinfo: "str with the zone's name",
    complex: "two floats",
    fractions.Fraction: "Decimal, or two ints",
    bytearray: "bytes",
    memoryview: "bytes",
    pathlib.PurePath: _TEXT,
    re.Pattern: "str with the pattern",
    **dict.fromkeys(
        (ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network), _TEXT
    ),
    bson.Decimal128: "Decimal",
    bson.Int64: "int",
    bson.Binary: "bytes",
    bson.Timestamp: "datetime",
    bson.DBRef: "ObjectId",
    Flag: "a list of an Enum's members",
    deque: "list",
    dict: "dict[str, …]",
    abc.Mapping: "dict[str, …]",
    tuple: "a BaseModel, or tuple[…]",
    abc.Sequence: "list",
    abc.Set: "set",
    abc.Iterable: "list",
    abc.Callable: "str with its name",  # type: ignore[dict-item]  # is one at run time
    type: "str with its name",
}
_JSON_ONLY = ("json", "json-unless-none")
_BUILT_IN = {str: "str", int: "int", float: "float"}


def instead(annotation: Any) -> str:
    """Says what to use instead of a type that has no BSON form."""
    if isinstance(annotation, TypeVar):
        return f"a class with its type given, such as the class's name with [{_bound(annotation)}]"
    if not isinstance(annotation, type):
        return "one of the types that docs/pydantic.md lists"
    name = annotation.__name__
    if annotation.__module__.partition(".")[0] in ("pydantic", "pydantic_core"):
        if "Secret" in name:
            return "str, if the secret may be stored and sent to Kafka as it is"
        if issubclass(annotation, int):
            return "int"
        return _TEXT
    if dataclasses.is_dataclass(annotation) or hasattr(annotation, "__total__") or hasattr(annotation, "_fields"):
        return "a BaseModel with these fields"
    for base, advice in _BUILT_IN.items():
        if issubclass(annotation, base):
            return f"{advice}, or Annotated[{advice}, …] with what it checks"
    for base, advice in _INSTEAD.items():
        if issubclass(annotation, base):
            return advice
    return "a BaseModel with these fields, or one of the types that docs/pydantic.md lists"


def _bound(variable: TypeVar) -> str:
    return getattr(variable.__bound__, "__name__", "int")


def is_dumped_otherwise(metadata: Iterable[Any]) -> str | None:
    """Says why a value is dumped otherwise than by its type; None if it is not. A serializer for JSON alone is none."""
    for item in metadata:
        if isinstance(item, (PlainSerializer, WrapSerializer)) and item.when_used not in _JSON_ONLY:
            return f"it has a {type(item).__name__}"
        if isinstance(item, FieldInfo) and (why := is_dumped_otherwise(item.metadata)) is not None:
            return why
    return None

"""The form that a type has, and the types that have none."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import pathlib
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar

import pytest
from pydantic import BaseModel, Field, HttpUrl, PlainSerializer, SecretStr, StrictInt
from typing_extensions import TypeAliasType, TypedDict

from outbox import InvalidMessageClass, message
from tests.unit.outbox.messages.models.declared import again, model

T = TypeVar("T")
Sku = NewType("Sku", str)


@dataclasses.dataclass
class Plain:
    a: int


class Typed(TypedDict):
    a: int


class Named(NamedTuple):
    a: int


class Custom(str):
    pass


class Flags(enum.Flag):
    A = 1


class Pairs(enum.Enum):
    A = (1, 2)


class Empty(enum.Enum):
    pass


class Node(BaseModel):
    next: Node | None = None


class Generic1(BaseModel, Generic[T]):
    item: T


REFUSED: dict[Any, str] = {
    datetime.timedelta: "timedelta has no BSON form: use an int of milliseconds",
    complex: "complex has no BSON form: use two floats",
    Plain: "Plain has no BSON form: use a BaseModel with these fields",
    Typed: "Typed has no BSON form: use a BaseModel",
    Named: "Named has no BSON form: use a BaseModel",
    Custom: "Custom has no BSON form: use str, or Annotated[str, …]",
    pathlib.Path: "Path has no BSON form: use str",
    HttpUrl: "Url has no BSON form: use str",
    SecretStr: "SecretStr has no BSON form: use str, if the secret may be stored",
    Callable[[int], int]: "Callable[[int], int] has no BSON form: use str with its name",
    Sequence[int]: "Sequence[int] has no BSON form: use list",
    Mapping[str, int]: "Mapping[str, int] has no BSON form: use dict[str, …]",
    collections.deque[int]: "deque[int] has no BSON form: use list",
    dict[int, str]: "a dict whose keys are int has no BSON form, for keys are text",
    re.Pattern[str]: "Pattern[str] has no BSON form: use str with the pattern",
    Flags: "Flags has no BSON form: use a list of an Enum's members",
    Pairs: "the choice (1, 2) is a tuple",
    Empty: "Empty has no members",
    tuple: "tuple has no BSON form: use a BaseModel, or tuple[…]",
    types.SimpleNamespace: "SimpleNamespace has no BSON form: use a BaseModel",
    T: "~T has no BSON form: use a class with its type given",
    Generic1: "~T has no BSON form",
    Node: "Node contains itself",
    datetime.date | datetime.datetime: "date and datetime are stored alike",
}


@pytest.mark.parametrize("annotation", REFUSED, ids=str)
@pytest.mark.parametrize("around", [lambda it: it, lambda it: list[it], lambda it: it | None], ids=["", "list", "None"])
def test_a_type_without_a_form_is_refused_with_its_field_and_what_to_use_instead(
    around: Callable[[Any], Any], annotation: Any
) -> None:
    with pytest.raises(InvalidMessageClass, match=r"^Declared\.f.*" + re.escape(REFUSED[annotation])):
        model(around(annotation))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Sku, "a"),
        (TypeAliasType("Skus", list[Sku]), ["a"]),
        (TypeAliasType("Listed", list[T], type_params=(T,))[int], [1]),  # type: ignore[index]  # is one at run time
        (Annotated[Annotated[int, Field(ge=1)], Field(le=2)], 1),
        (StrictInt, 1),
        (Generic1[decimal.Decimal], Generic1[decimal.Decimal](item=decimal.Decimal("9.90"))),
        (list, [1, "a"]),
        (Literal[b"x", None], b"x"),
    ],
)
def test_a_type_by_another_name_has_the_form_of_that_type(annotation: Any, value: Any) -> None:
    assert again(model(annotation)(f=value)).f == value


def test_a_serializer_for_json_alone_changes_nothing() -> None:
    assert again(model(Annotated[int, PlainSerializer(hex, when_used="json")])(f=1)).f == 1


def test_a_serializer_for_all_is_refused() -> None:
    with pytest.raises(InvalidMessageClass, match=r"Declared\.f: it has a PlainSerializer"):
        model(Annotated[str, PlainSerializer(lambda value: "***")])


def test_the_path_of_a_type_inside_is_told() -> None:
    class Inner(BaseModel):
        wait: dict[str, list[datetime.timedelta]]

    with pytest.raises(InvalidMessageClass, match=r"^Outer\.inner\[\]\.wait\{\}\[\]: timedelta"):

        @message("outer")
        class Outer(BaseModel):
            inner: list[Inner]


def test_an_enum_may_be_held_by_its_values() -> None:
    class Colour(enum.Enum):
        RED = "red"

    cls = model(Colour, Colour.RED, use_enum_values=True)

    assert again(cls(f="red")).f == "red"
    assert again(cls()).f == "red"

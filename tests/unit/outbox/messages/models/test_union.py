"""Unions: a reader gets the type that was put, or the class is refused at decoration."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from bson import Decimal128
from pydantic import VERSION, BaseModel, ConfigDict, Discriminator, Field, Tag

from outbox import InvalidMessage, InvalidMessageClass
from tests.unit.outbox.messages.models.declared import again, model, read, stored

BEFORE_2_9 = tuple(map(int, VERSION.split(".")[:2])) < (2, 9)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog", "puppy"]
    name: str = "rex"


def named(one: Any) -> str:
    return type(one).__name__


class Shape(BaseModel):
    name: str


class Circle(Shape):
    radius: float


class Maybe(BaseModel):
    name: str = "a"


class Free(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


@pytest.mark.parametrize(
    ("annotation", "values"),
    [
        (int | str | None, [1, "1", None]),
        (float | int, [1, 1.0, 2**60]),
        pytest.param(
            Decimal | int | float, [Decimal(1), 1, 1.0],
            marks=pytest.mark.skipif(BEFORE_2_9, reason="pydantic makes a Decimal of the int"),
        ),
        (bool | int, [True, 1, 0, False]),
        (bytes | uuid.UUID | str, [b"a" * 16, uuid.UUID(int=1), "a"]),
        (Colour | int, [Colour.RED, 1]),
        (Colour | Literal["blue"], [Colour.RED, "blue"]),
        (list[int] | list[str], [[1], ["a"], []]),
        (dict[str, int] | dict[str, str] | list[int], [{"a": 1}, {"a": "b"}, {}, [1]]),
        (Annotated[Cat | Dog, Field(discriminator="kind")], [Cat(), Dog(kind="dog"), Dog(kind="puppy")]),
        (Cat | Dog, [Cat(), Dog(kind="dog")]),
        (Shape | Circle, [Shape(name="a"), Circle(name="a", radius=1)]),
        (Circle | Shape, [Shape(name="a"), Circle(name="a", radius=1)]),
        (list[Shape] | list[Circle], [[Shape(name="a")], [Circle(name="a", radius=1)]]),
        (Shape | int | None, [Shape(name="a"), 1, None]),
        (
            Annotated[Annotated[Cat, Tag("Cat")] | Annotated[Dog, Tag("Dog")], Discriminator(named)],
            [Cat(), Dog(kind="dog")],
        ),
    ],
)  # fmt: skip
def test_each_is_read_back_as_the_type_it_was(annotation: Any, values: list[Any]) -> None:
    cls = model(annotation)

    for value in values:
        back = again(cls(f=value)).f
        assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    ("annotation", "names"),
    [
        (datetime | date, "datetime and date"),
        (time | str, "time and str"),
        (Colour | str, "the Enum or Literal and str"),
        (Level | float, "the Enum or Literal and float"),
        (list[int] | set[int], "list and set"),
        (list[int] | tuple[int, ...], "list and tuple"),
        (Shape | dict[str, str], "Shape and dict"),
        (Shape | Maybe, "Shape and Maybe"),
        (Shape | Free, "Shape and Free"),
        (Shape | Any, "Shape and Any"),
        (list[Shape] | list[Maybe], "list and list"),
    ],
)
def test_two_that_are_stored_alike_are_refused(annotation: Any, names: str) -> None:
    with pytest.raises(InvalidMessageClass, match=rf"^Declared\.f: {names} are stored alike, so a reader could not"):
        model(annotation)


def test_the_error_is_that_of_the_member_it_nearly_fits() -> None:
    with pytest.raises(InvalidMessage, match="^declared: f.lives: 'x' is a str"):
        stored(model(Cat | int).model_construct(f=Cat.model_construct(lives="x")))
    with pytest.raises(InvalidMessage, match="f: 1.5 is a float, not text; 1.5 is a float, not a whole number"):
        stored(model(str | int).model_construct(f=1.5))


def test_a_bound_of_an_optional_number_holds_for_the_number() -> None:
    cls = model(Annotated[int | None, Field(ge=1)])

    assert stored(cls(f=None)) == {"f": None}
    with pytest.raises(InvalidMessage, match="less than 1"):
        stored(cls.model_construct(f=0))


def test_data_that_fits_none_is_refused_when_it_is_read() -> None:
    with pytest.raises(InvalidMessage, match="does not fit Declared"):
        read(model(Cat | int), {"f": {"kind": "cow"}})


def test_a_number_of_a_language_with_one_number_type_is_read() -> None:
    assert read(model(float | str), {"f": 5}).f == 5.0
    assert read(model(Decimal | None), {"f": Decimal128("1")}).f == Decimal(1)

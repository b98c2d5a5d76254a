"""Lists, sets, tuples, dicts, choices and values of any type, as they are stored."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any, Literal

import pytest
from bson import Decimal128

from outbox import InvalidMessage
from tests.unit.outbox.messages.models.declared import again, model, read, stored


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Price(enum.Enum):
    LOW = Decimal("9.90")


def test_equal_sets_are_stored_alike() -> None:
    assert stored(model(set[str])(f={"b", "a", "c"})) == {"f": ["a", "b", "c"]}
    assert stored(model(set[Decimal])(f={Decimal(2), Decimal(1)})) == {"f": [Decimal128("1"), Decimal128("2")]}
    assert len(stored(model(set[int | str])(f={1, "a", 2}))["f"]) == 3


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (set[Colour], {Colour.RED, Colour.BLUE}),
        (frozenset[int], frozenset({1})),
        (tuple[int, Colour], (1, Colour.RED)),
        (tuple[Colour, ...], (Colour.RED, Colour.RED)),
        (tuple[()], ()),
        (dict[str, tuple[int, ...]], {"a.b": (1,), "": ()}),
        (dict[Colour, Decimal], {Colour.RED: Decimal("9.90")}),
        (dict[Literal["a"], int], {"a": 1}),
        (Price, Price.LOW),
        (Any, {"a": [None, {"b": 1}]}),
    ],
)
def test_it_is_read_back_as_the_type_it_was(annotation: Any, value: Any) -> None:
    back = again(model(annotation)(f=value)).f

    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    ("annotation", "value", "why"),
    [
        (list[int], [1, "x"], r"f\[1\]: 'x' is a str, not a whole number"),
        (list[int], (1,), r"f: \(1,\) is a tuple, not a list"),
        (dict[str, int], {"a": {}}, r"f\.a: {} is a dict"),
        (dict[str, int], {"$a": 1}, r"f: the key '\$a' begins with '\$'"),
        (dict[str, int], {1: 1}, "f: 1 is a int, not text"),
        (tuple[int, str], (1,), "f: .* is no tuple of 2"),
        (Colour, "red", "f: 'red' is none of"),
        (Literal["a"], [], r"f: \[\] is none of"),
        (Any, {"a": {1: 2}}, "f.a: the key 1 is a int, not text"),
        (Any, [{1}], r"f\[0\]: \{1\} is a set, which a field of any type cannot store"),
        (Any, Decimal(1), "use a Decimal128"),
        (Any, float("nan"), "f: nan"),
    ],
)
def test_what_was_put_into_it_afterwards_is_refused_with_its_path(annotation: Any, value: Any, why: str) -> None:
    with pytest.raises(InvalidMessage, match=why):
        stored(model(annotation).model_construct(f=value))


@pytest.mark.parametrize(
    ("annotation", "data"),
    [(list[int], "x"), (tuple[int, str], [1]), (dict[str, int], []), (dict[str, int], {"a": "x"}), (Colour, "green")],
)
def test_data_of_another_shape_is_refused_when_it_is_read(annotation: Any, data: Any) -> None:
    with pytest.raises(InvalidMessage, match="does not fit Declared"):
        read(model(annotation), {"f": data})

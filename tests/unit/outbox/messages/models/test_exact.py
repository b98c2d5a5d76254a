"""What a conversion would change is refused where the model is made; what stays equal is taken."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, BeforeValidator, RootModel, ValidationError, field_validator

from outbox import message
from tests.unit.outbox.messages.models.declared import model, stored


class Flags(RootModel[list[bool]]):
    pass


CHANGED = [
    (bool, "false"),
    (bool, "yes"),
    (bool, b"1"),
    (float, 2**60 + 1),
    (float, "0.12345678901234567890"),
    (float, Decimal("0.12345678901234567890")),
    (Decimal, 9.9),
    (datetime, 1_700_000_000),
    (datetime, "1700000000"),
    (datetime, 1.5),
    (date, 0),
    (date, "0"),
    (time, 3600),
    (set[int], [1, 1]),
    (frozenset[str], ("a", "a")),
    (list[bool], ["false"]),
    (tuple[Decimal, ...], (1, 1.5)),
    (tuple[str, bool], ("a", "no")),
    (dict[str, float], {"a": 2**60 + 1}),
    (set[date], [0]),
    (set[tuple[bool, int]], [(True, 1), ("no", 1)]),
    (set[bool | int], ["no"]),
    (set[Decimal], [1.5]),
    (frozenset[tuple[Decimal, ...]], [(1.1,)]),
    (bool | None, "false"),
    (bool | Decimal, 1.5),
    (Flags, ["false"]),
]
KEPT = [
    (bool, 1, True),
    (bool, 0.0, False),
    (float, 2, 2.0),
    (float, "9.90", 9.9),
    (float, Decimal("0.1"), 0.1),
    (Decimal, "9.90", Decimal("9.90")),
    (Decimal, 3, Decimal(3)),
    (int, 2.0, 2),
    (int, "5", 5),
    (datetime, "2024-05-06T12:00:00Z", datetime(2024, 5, 6, 12, tzinfo=UTC)),
    (datetime, date(2024, 5, 6), datetime(2024, 5, 6)),  # noqa: DTZ001  # as pydantic makes it
    (date, datetime(2024, 5, 6, tzinfo=UTC), date(2024, 5, 6)),
    (time, "12:00", time(12)),
    (set[int], [1, 2], {1, 2}),
    (set[tuple[int, str]], [("1", "a"), (2, "b")], {(1, "a"), (2, "b")}),
    (set[tuple[bool, ...]], {(1, 0)}, {(True, False)}),
    (set[Decimal], ["1", "2.0"], {Decimal(1), Decimal(2)}),
    (frozenset[tuple[int, ...]], (), frozenset()),
    (list[Decimal], iter(["1"]), [Decimal(1)]),
    (bool | int | None, 2, 2),
    (bool | str, "false", "false"),
]


@pytest.mark.parametrize(("annotation", "value"), CHANGED)
def test_a_value_that_would_be_another_one_is_refused(annotation: Any, value: Any) -> None:
    cls = model(annotation)

    for make in (lambda: cls(f=value), lambda: cls.model_validate({"f": value})):
        with pytest.raises(ValidationError, match="is no bool|digits|guessed|twice"):
            make()


@pytest.mark.parametrize(("annotation", "value", "kept"), KEPT)
def test_an_exact_conversion_stays(annotation: Any, value: Any, kept: Any) -> None:
    assert model(annotation)(f=value).f == kept


@pytest.mark.parametrize("value", ["false", 9.9])
def test_a_class_that_is_not_strict_converts_as_pydantic_does(value: Any) -> None:
    @message("lax", strict=False)
    class Lax(BaseModel):
        f: bool | Decimal

    assert Lax(f=value).f in (False, Decimal("9.9"))


def test_a_number_of_json_is_what_its_text_says() -> None:
    cls = model(Decimal)

    assert cls.model_validate_json('{"f": 9.9}').f == Decimal("9.9")
    with pytest.raises(ValidationError, match="digits"):
        cls.model_validate_json('{"f": 1.2345678901234567}')
    with pytest.raises(ValidationError, match="is no bool"):
        model(bool).model_validate_json('{"f": "false"}')


def test_validators_of_the_user_s_own_convert_as_they_say() -> None:
    @message("own")
    class Own(BaseModel):
        yes: Annotated[bool, BeforeValidator(lambda value: value == "ja")]
        negative: Annotated[float, AfterValidator(lambda value: -value)]
        each: list[Annotated[bool, BeforeValidator(lambda value: value == "ja")]]
        price: Decimal

        @field_validator("price", mode="before")
        @classmethod
        def _without_sign(cls, value: Any) -> Any:
            return str(value).removeprefix("$")

    made = Own.model_validate({"yes": "ja", "negative": 2, "each": ["ja", "nein"], "price": "$9.90"})

    assert (made.yes, made.negative, made.each, made.price) == (True, -2.0, [True, False], Decimal("9.90"))
    assert Own.model_validate({"yes": 1, "negative": 1, "each": [], "price": 9.9}).price == Decimal("9.9")


def test_a_model_inside_refuses_it_as_well_whichever_class_was_declared_first() -> None:
    class Line(BaseModel):
        gift: bool

    class Group(BaseModel):
        lines: list[Line]

    class Order(BaseModel):
        group: Group

    @message("line")
    class Other(BaseModel):
        line: Line

    message("order")(Order)
    for make in (
        lambda: Line.model_validate({"gift": "no"}),
        lambda: Order.model_validate({"group": {"lines": [{"gift": "no"}]}}),
        lambda: Other.model_validate({"line": {"gift": "no"}}),
    ):
        with pytest.raises(ValidationError, match="is no bool"):
            make()


def test_a_class_derived_from_a_message_class_refuses_it_too() -> None:
    class Derived(model(bool)):  # type: ignore[misc]  # made here
        other: int = 1

    with pytest.raises(ValidationError, match="is no bool"):
        Derived(f="false")


def test_what_is_assigned_is_refused_by_put_or_at_once() -> None:
    late, soon = model(bool)(f=True), model(bool, validate_assignment=True)(f=True)

    late.f = "false"
    with pytest.raises(ValidationError):
        soon.f = "false"
    with pytest.raises(Exception, match="f: 'false' is a str, not a bool"):
        stored(late)

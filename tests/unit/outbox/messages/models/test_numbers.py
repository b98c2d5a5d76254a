"""Numbers as they are stored, and those that are refused."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from typing import Annotated, Any

import pytest
from bson import Decimal128
from pydantic import Field

from outbox import InvalidMessage
from tests.unit.outbox.messages.models.declared import again, model, stored


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("annotation", "value", "kept"),
    [
        (float, 2, 2.0),
        (Decimal, 2, Decimal128("2")),
        (Decimal, Decimal("1E+6000"), Decimal128("1E+6000")),
        (int, Level.HIGH, 3),
        (Annotated[Decimal, Field(multiple_of=Decimal("0.05"))], Decimal("1E+40"), Decimal128("1E+40")),
    ],
)
def test_an_assigned_number_is_stored_if_it_is_the_same(annotation: Any, value: Any, kept: Any) -> None:
    data = stored(model(annotation).model_construct(f=value))

    assert data == {"f": kept}
    assert type(data["f"]) is type(kept)


@pytest.mark.parametrize(
    ("annotation", "value", "why"),
    [
        (int, 2.0, "2.0 is a float, not a whole number"),
        (int, True, "True is a bool"),
        (int, 2**63, "has more than 64 bits"),
        (float, 2**60 + 1, "has more digits than a float keeps"),
        (float, 10**400, "has more digits than a float keeps"),
        (float, True, "True is a bool"),
        (float, float("inf"), "inf is no number that JSON has"),
        (Decimal, 9.9, "9.9 is a float, not a Decimal"),
        (Decimal, Decimal("sNaN"), "no number that JSON has"),
        (Decimal, Decimal(10) ** 7000, "has more digits than a Decimal128 keeps"),
        (Decimal, Decimal("1." + "1" * 34), "has more digits than a Decimal128 keeps"),
        (bool, 1, "1 is a int, not a bool"),
        (Annotated[int, Field(ge=1)], 0, "0 is less than 1"),
        (Annotated[int, Field(lt=1)], 1, "1 is not less than 1"),
        (Annotated[int, Field(multiple_of=3)], 4, "4 is no multiple of 3"),
        (Annotated[Decimal, Field(gt=0)], Decimal(0), "is not greater than 0"),
        (Annotated[Decimal, Field(multiple_of=Decimal("0.05"))], Decimal("0.01"), "is no multiple of 0.05"),
    ],
)
def test_a_number_that_is_not_of_the_type_is_refused(annotation: Any, value: Any, why: str) -> None:
    with pytest.raises(InvalidMessage, match=f"^declared: f: .*{why}"):
        stored(model(annotation).model_construct(f=value))


def test_the_digits_of_a_decimal_stay() -> None:
    assert str(again(model(Decimal)(f=Decimal("9.90"))).f) == "9.90"

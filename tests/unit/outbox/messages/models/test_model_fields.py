"""Models that cannot be messages, each with the field and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field, create_model, field_serializer, model_serializer

from outbox import InvalidMessageClass, message
from outbox.messages.message_types import MessageTypes
from tests.unit.outbox.messages.models.declared import model


class Masked(BaseModel):
    card: str

    @field_serializer("card")
    def _mask(self, value: str) -> str:
        return "***"


class Dumped(BaseModel):
    card: str

    @model_serializer
    def _dump(self) -> dict[str, Any]:
        return {}


class Shown(BaseModel):
    card: str

    @field_serializer("card", when_used="json")
    def _mask(self, value: str) -> str:
        return "***"


def made(**fields: Any) -> Any:
    return create_model("Made", **fields)


@pytest.mark.parametrize(
    ("cls", "why"),
    [
        (Masked, r"Masked\.card: the serializer _mask would not be used"),
        (Dumped, "Dumped: the serializer _dump would not be used"),
        (made(a=(int, Field(alias="$a"))), r"Made\.a: it cannot be stored by that name"),
        (made(a=(int, Field(alias="a.b"))), r"Made\.a: it cannot be stored as 'a\.b'"),
        (made(a=(int, Field(alias=""))), r"Made\.a: it cannot be stored as ''"),
        (
            made(a=(int, Field(1, serialization_alias="x")), b=(int, Field(1, serialization_alias="x"))),
            r"Made\.b: it is stored as 'x', and so is a",
        ),
        (made(a=(int, Field(exclude=True))), r"Made\.a: it is excluded and has no default"),
    ],
)
def test_a_model_that_could_not_be_stored_is_refused_at_decoration(cls: Any, why: str) -> None:
    with pytest.raises(InvalidMessageClass, match=f"^{why}"):
        message("refused")(cls)
    with pytest.raises(InvalidMessageClass, match=r"^Declared\.f\[\]|Masked|Dumped"):
        model(list[cls])


def test_a_computed_field_of_a_type_without_a_form_is_refused() -> None:
    class Odd(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)  # pydantic before 2.9 has no complex

        @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
        @property
        def odd(self) -> complex:
            return 1j

    with pytest.raises(InvalidMessageClass, match=r"^Odd\.odd: complex has no BSON form"):
        message("odd")(Odd)


def test_a_serializer_for_json_alone_does_no_harm() -> None:
    message("shown")(Shown)


class Late(BaseModel):
    part: Part  # type: ignore[name-defined]  # noqa: F821  # defined later


def test_a_class_that_is_defined_later_is_checked_when_the_outbox_is_made() -> None:
    cls = message("late")(Late)
    with pytest.raises(InvalidMessageClass, match="Late names a class that is not defined"):
        MessageTypes([cls])

    class Part(BaseModel):
        ok: bool

    Late.model_rebuild(_types_namespace={"Part": Part})

    assert MessageTypes([cls]).schemas()["late"]["properties"]["part"]["required"] == ["ok"]
    with pytest.raises(ValueError, match="is no bool"):
        Late.model_validate({"part": {"ok": "no"}})


def test_a_class_that_is_built_when_it_is_first_used() -> None:
    assert model(bool, defer_build=True)(f=True).f is True


def test_the_names_of_a_record_s_own_parts_are_as_good_as_others() -> None:
    @message("named", key="key")
    class Named(BaseModel):
        model_config = ConfigDict(protected_namespaces=())
        type: str
        key: str
        id: int
        model_data: int

    assert MessageTypes([Named]).encode(Named(type="a", key="k", id=1, model_data=2))[:2] == ("named", "k")

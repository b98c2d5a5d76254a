"""Models as documents: names, defaults, what is computed, private, excluded or extra."""

from __future__ import annotations

import functools
import uuid
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, computed_field
from pydantic.alias_generators import to_camel

from outbox import InvalidMessage, message
from tests.unit.outbox.messages.models.declared import again, model, read, stored


@message("aliased")
class Aliased(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    order_id: str
    both: int = Field(2, validation_alias=AliasChoices("a", "b"), serialization_alias="BOTH")
    given: int = Field(3, validation_alias="given-as")


@message("swapped")
class Swapped(BaseModel):
    a: int = Field(alias="b")
    b: int = Field(alias="a")


@message("computed")
class Computed(BaseModel):
    count: int = 1
    _cache: dict[str, int] = PrivateAttr(default_factory=dict)
    _twice: int

    def model_post_init(self, context: Any, /) -> None:
        self._twice = 2 * self.count

    @computed_field(alias="triple")  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @functools.cached_property
    def three_times(self) -> int:
        return 3 * self.count

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def four_times(self) -> int:
        return 4 * self.count


def test_a_field_is_stored_by_the_alias_that_it_is_dumped_by() -> None:
    one = Aliased(order_id="1", a=5)  # type: ignore[call-arg]  # by an alias

    assert stored(one) == {"orderId": "1", "BOTH": 5, "given": 3}
    assert again(one) == one


def test_two_fields_may_have_each_other_s_names() -> None:
    one = Swapped(a=1, b=2)

    assert stored(one) == {"a": 1, "b": 2}
    assert again(one) == one


def test_what_is_computed_is_stored_and_computed_anew() -> None:
    one = Computed(count=2)

    assert stored(one) == {"count": 2, "triple": 6, "four_times": 8}
    assert again(one) == one
    assert read(Computed, {"count": 3, "triple": 0}).three_times == 9


def test_what_is_private_is_not_stored_and_made_anew() -> None:
    back = again(Computed(count=2))

    assert (back._cache, back._twice) == ({}, 4)


def test_what_a_writer_left_out_is_the_default() -> None:
    @message("defaults")
    class Defaults(BaseModel):
        id: uuid.UUID = Field(default_factory=uuid.uuid4)
        tags: list[str] = []
        name: str | None = None

    first, second = read(Defaults, {}), read(Defaults, {})

    assert first.id != second.id
    assert first.tags is not second.tags
    assert (first.name, first.model_fields_set) == (None, set())
    assert stored(first) == {"id": first.id, "tags": [], "name": None}
    assert read(Defaults, {"name": "x"}).model_fields_set == {"name"}


def test_what_is_excluded_is_not_stored() -> None:
    @message("excluding")
    class Excluding(BaseModel):
        shown: int
        hidden: str = Field("default", exclude=True)

    assert stored(Excluding(shown=1, hidden="x")) == {"shown": 1}
    assert again(Excluding(shown=1, hidden="x")).hidden == "default"


def extra(value: str) -> Any:
    return model(int, extra=value)


def test_fields_that_are_not_declared() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        extra("forbid")(f=1, g=2)
    assert stored(extra("ignore")(f=1, g=2)) == {"f": 1}
    assert stored(extra("allow")(f=1, g=[2])) == {"f": 1, "g": [2]}
    one = extra("allow")(f=1, g=[2])
    assert again(one) == one


@pytest.mark.parametrize("value", ["forbid", "ignore"])
def test_a_field_of_a_newer_deploy_is_left_out(value: str) -> None:
    cls = extra(value)

    assert read(cls, {"f": 1, "g": 2}) == cls(f=1)


@pytest.mark.parametrize(("name", "value"), [("$a", 1), ("a", {1}), ("a", {"$b": 1})])
def test_an_extra_field_that_cannot_be_stored_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidMessage, match=r"^declared: (\$a|a|a\.a)"):
        stored(extra("allow")(f=1, **{name: value}))


def test_extra_fields_may_have_a_type() -> None:
    @message("typed.extra")
    class TypedExtra(BaseModel):
        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, int]

    schema = TypedExtra._outbox_declaration.kind.bson_schema(TypedExtra)  # type: ignore[attr-defined]  # @message sets it

    assert schema["additionalProperties"] == {"bsonType": ["int", "long"]}
    assert again(TypedExtra(a=1)) == TypedExtra(a=1)  # type: ignore[call-arg]  # an extra field


def test_a_message_without_a_value_or_of_another_class_is_refused() -> None:
    class Inner(BaseModel):
        a: int

    class Derived(Inner):
        b: int = 1

    cls = model(Inner)
    with pytest.raises(InvalidMessage, match="declared: f: has no value"):
        stored(cls.model_construct())
    with pytest.raises(InvalidMessage, match=r"f: .* is a Derived, not a Inner, so its own fields would be lost"):
        stored(cls(f=Derived(a=1)))
    with pytest.raises(InvalidMessage, match=r"f: {'a': 1} is a dict, not a Inner"):
        stored(cls.model_construct(f={"a": 1}))


@pytest.mark.parametrize("data", [{}, {"f": 1}, {"f": {}}, {"f": {"a": "x"}}])
def test_data_that_does_not_fit_is_refused_when_it_is_read(data: Any) -> None:
    class Inner(BaseModel):
        a: int

    with pytest.raises(InvalidMessage, match=r"declared: the data does not fit Declared \(f"):
        read(model(Inner), data)

"""pydantic's models as a kind of message classes: keys, tombstones, schemas, what is no message."""

from __future__ import annotations

import enum
import uuid
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

import pytest
from bson import ObjectId
from pydantic import BaseModel, ConfigDict, Field, RootModel, computed_field, create_model

from outbox import InvalidMessage, InvalidMessageClass, message, tombstone
from outbox.messages.message_types import MessageTypes
from outbox.testing import MemoryOutbox
from tests.unit.outbox.messages.models.declared import again

T = TypeVar("T")


class Region(enum.Enum):
    EU = "eu"


class Box(BaseModel, Generic[T]):
    item: T


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    order_id: str = Field(alias="id", description="as on the invoice")
    total: Decimal = Field(ge=0)
    lines: list[int] = []


def keyed(annotation: Any, **options: Any) -> Any:
    class Keyed(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        k: annotation
        line: int | None = None
        price: float = 1.5

    return message("keyed", key="k", **options)(Keyed)


@pytest.mark.parametrize(
    ("annotation", "value", "key"),
    [
        (str, "é", "é"),
        (int, -7, "-7"),
        (uuid.UUID, uuid.UUID(int=10), "00000000-0000-0000-0000-00000000000a"),
        (ObjectId, ObjectId("65A000000000000000000001"), "65a000000000000000000001"),
        (Region, Region.EU, "eu"),
        (Literal[3, 4], 3, "3"),
        (str | None, "a", "a"),
    ],
)
def test_a_key_is_text_whatever_type_it_comes_from(annotation: Any, value: Any, key: str) -> None:
    cls = keyed(annotation, compact=True)

    assert MessageTypes([cls]).encode(cls(k=value))[1] == key
    assert tombstone(cls, key=value).key == key


@pytest.mark.parametrize("annotation", [bool, float, Decimal, list[str], int | str, Literal[True], Literal["a", 1]])
def test_what_makes_no_key_is_refused_at_decoration(annotation: Any) -> None:
    with pytest.raises(InvalidMessageClass, match=r"Keyed\.k: a key is a text, int, ObjectId or UUID"):
        keyed(annotation)


def test_a_key_without_a_value_is_refused_with_advice() -> None:
    cls = keyed(str | None)

    with pytest.raises(InvalidMessage, match="'k' has no value; give it one"):
        MessageTypes([cls]).encode(cls(k=None))


def test_a_key_that_is_no_field_or_not_stored_is_refused() -> None:
    class Hidden(BaseModel):
        k: str = Field("a", exclude=True)

    with pytest.raises(InvalidMessageClass, match="OrderPlaced has no field 'missing' to be its key"):
        message("missing", key="missing")(create_model("OrderPlaced", a=(int, 1)))
    with pytest.raises(
        InvalidMessageClass, match=r"Aliased has no field 'id' \(it is the alias of 'a'\) to be its key"
    ):
        message("aliased", key="id")(create_model("Aliased", a=(int, Field(alias="id"))))
    with pytest.raises(InvalidMessageClass, match="Hidden has no field 'k' that is stored to be its key"):
        message("hidden", key="k")(Hidden)


def test_a_computed_field_may_be_the_key() -> None:
    @message("tenant.order", key="place", compact=True)
    class TenantOrder(BaseModel):
        tenant: str
        order: int

        @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
        @property
        def place(self) -> str:
            return f"{self.tenant}/{self.order}"

    assert MessageTypes([TenantOrder]).encode(TenantOrder(tenant="a", order=1))[1] == "a/1"
    assert tombstone(TenantOrder, key="a/1").key == "a/1"


def test_a_class_may_be_compacted_by_another_field() -> None:
    cls = keyed(int, compact="line")
    memory = MemoryOutbox(messages=[cls])

    memory.put([cls(k=1, line=2), tombstone(cls, key="1", line=2)], standalone=True)

    assert [record.key for record in memory.records] == ["1", "1"]
    assert [record.headers for record in memory.records] == [{}, {"compaction-id": "2"}]
    assert memory.records[1].message is None
    with pytest.raises(InvalidMessage, match="the compaction id .* has no value"):
        memory.put(cls(k=1), standalone=True)


@pytest.mark.parametrize("value", ["x", 1.5, True, None])
def test_a_tombstone_of_what_no_message_could_have_is_refused(value: Any) -> None:
    with pytest.raises(InvalidMessage):
        tombstone(keyed(int, compact=True), key=value)


def test_people_get_a_schema_of_the_value_on_kafka() -> None:
    schema = MessageTypes([OrderPlaced]).json_schemas()["order.placed"]

    assert schema["title"] == "OrderPlaced"
    assert schema["required"] == ["id", "total"]
    assert schema["properties"]["id"] == {"type": "string", "description": "as on the invoice"}
    assert schema["properties"]["total"]["type"] == "string"


def test_a_record_s_message_is_the_model() -> None:
    memory = MemoryOutbox(messages=[OrderPlaced])
    one = OrderPlaced(id="42", total=Decimal("9.90"), lines=[1])

    memory.put(one, standalone=True)

    [record] = memory.records
    assert record.message == one
    assert type(record.message) is OrderPlaced
    assert record.data is not None
    assert set(record.data) == {"id", "total", "lines"}


def test_a_generic_model_is_a_message_class_once_its_type_is_given() -> None:
    cls = message("boxed")(Box[Decimal])
    one = cls(item=Decimal("9.90"))

    assert again(one) == one
    with pytest.raises(InvalidMessageClass, match=r"Box\.item: ~T has no BSON form: use a class with its type given"):
        message("box")(Box)


@pytest.mark.parametrize("cls", [RootModel[list[int]], BaseModel, RootModel])
def test_a_model_without_named_fields_is_no_message(cls: Any) -> None:
    with pytest.raises(InvalidMessageClass, match="has no named fields, and a message's data is a document"):
        message("unnamed")(cls)


def test_a_model_of_pydantic_1_is_no_message() -> None:
    old: Any = type("Old", (), {"__module__": "pydantic.v1"})

    with pytest.raises(InvalidMessageClass, match=r"pydantic\.BaseModel of version 2"):
        message("old")(old)


def test_values_beyond_bson_are_refused() -> None:
    deep: Any = []
    for _ in range(3000):
        deep = [deep]

    class Free(BaseModel):
        f: Any

    types = MessageTypes([message("free")(Free)])
    for value in (deep, "\ud800", 2**64):
        with pytest.raises(InvalidMessage, match=r"^free: "):
            types.encode(Free.model_construct(f=value))

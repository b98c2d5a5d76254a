"""Each type that a pydantic model may have, with values to try on the client and on the server."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar

from beanie import PydanticObjectId
from bson import Binary, Decimal128, ObjectId
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NaiveDatetime,
    PositiveInt,
    RootModel,
    StringConstraints,
)

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
OID = ObjectId("65a000000000000000000001")
UUID = uuid.UUID("abcdef00-1234-5678-1234-567812345678")
T = TypeVar("T")
Sku = NewType("Sku", str)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class ModelLine(BaseModel):
    sku: str
    count: int = Field(1, alias="n", ge=1)


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: str


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"
    amount: int = 0


class Wire(BaseModel):
    iban: str


class Cheque(BaseModel):
    bank: str


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    sku: str


class Boxed(BaseModel, Generic[T]):
    item: T


class Tags(RootModel[list[str]]):
    pass


@dataclass(frozen=True)
class ModelCase:
    """A field's annotation, with values as Python has them; a pair is (as the client has it, as BSON holds it)."""

    annotation: Any
    takes: list[Any] = field(default_factory=list)
    refuses: list[Any] = field(default_factory=list)
    client_only: list[Any] = field(default_factory=list)


def of(annotation: Any, **constraints: Any) -> Any:
    return Annotated[annotation, Field(**constraints)]


INFINITE = [(each, Decimal128(each)) for each in (Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"))]
MODEL_CASES: dict[str, list[ModelCase]] = {
    "str": [
        ModelCase(str, ["", "a", "é\0"], [1, ["a"], True]),
        ModelCase(of(str, min_length=2, max_length=3), ["ab", "é😀", "abc"], ["a", "😀", "abcd"]),
        ModelCase(of(str, pattern=r"[A-Z]{2,3}-[0-9]+$"), ["AB-1", "xAB-1"], ["A-1", "AB-", "AB-1\n"]),
        ModelCase(of(str, pattern=r"^a[$]?$"), ["a", "a$"], ["a\n", "ab"]),
        ModelCase(of(str, pattern=r"\d+"), ["1", "٣"], [1], client_only=["x"]),
        ModelCase(of(str, pattern=r"^[a-z&&[^b]]$"), ["a"], [1], client_only=["b"]),
        ModelCase(Annotated[str, StringConstraints(max_length=2, to_lower=True)], ["ab"], ["abc"]),
        ModelCase(Sku, ["a"], [1]),
    ],
    "int": [
        ModelCase(int, [0, -1, 2**31, 2**63 - 1, -(2**63)], ["x", [1], 1.5]),
        ModelCase(of(int, ge=1, le=5), [1, 5], [0, 6]),
        ModelCase(of(int, gt=1, lt=5), [2, 4], [1, 5]),
        ModelCase(of(int, multiple_of=3), [0, 3, -6, 3 * 2**60], [1, 2**62]),
        ModelCase(PositiveInt, [1], [0]),
    ],
    "float": [
        ModelCase(float, [0.5, 3, -1e300], ["x", [0.5]], client_only=[float("nan"), float("inf"), -float("inf")]),
        ModelCase(of(float, ge=0.5, le=1), [0.5, 1], [0.4, 1.1, float("nan")]),
        ModelCase(of(float, gt=0.5, lt=1), [0.6], [0.5, 1.0]),
        ModelCase(of(float, multiple_of=0.5), [1.5], ["x"], client_only=[0.75]),
    ],
    "bool": [ModelCase(bool, [True, False], ["true", 2, 0.5])],
    "Decimal": [
        ModelCase(Decimal, [Decimal("1.25"), "9.90", 3, Decimal("9.999999999999999999999999999999999E+6144")], ["x"]),
        ModelCase(Decimal, [], INFINITE),
        ModelCase(
            of(Decimal, ge=0, le=Decimal("0.10")),
            [Decimal(0), Decimal("0.1"), Decimal("0.100")],
            [(Decimal("-0.01"), Decimal128("-0.01")), (Decimal("0.11"), Decimal128("0.11"))],
        ),
        ModelCase(of(Decimal, gt=0), [Decimal("0.01")], [(Decimal(0), Decimal128("0")), *INFINITE[1:]]),
        ModelCase(of(Decimal, multiple_of=Decimal("0.05")), [Decimal("0.10")], [(Decimal("0.11"), Decimal128("0.11"))]),
        ModelCase(
            of(Decimal, max_digits=3, decimal_places=1),
            [Decimal("12.5")],
            ["x"],
            [(Decimal("1.25"), Decimal128("1.25"))],
        ),
    ],
    "datetime": [
        ModelCase(datetime, [NOON, NOON.astimezone(timezone(timedelta(hours=2))), "2024-05-06T12:00:00Z"], ["soon", 5]),
        ModelCase(AwareDatetime, [NOON], ["soon"]),
        ModelCase(NaiveDatetime, [NOON.replace(tzinfo=None)], ["soon"]),
        ModelCase(of(datetime, ge=NOON), [NOON], ["soon"], client_only=[NOON - timedelta(days=1)]),
    ],
    "date": [
        ModelCase(date, [date(2024, 5, 6), "2024-05-06", NOON.replace(hour=0)], ["soon", 5], client_only=[NOON]),
    ],
    "time": [
        ModelCase(
            time,
            [time(23, 59, 59), time(1, 2, 3, 4), time(1, tzinfo=UTC), time(1, tzinfo=timezone(-timedelta(minutes=90)))],
            ["soon", "24:00:00", 5, "12:00:00\n"],
        ),
        ModelCase(of(time, ge=time(1)), [time(1)], ["soon"], client_only=[(time(0), "00:00:00")]),
    ],
    "UUID": [ModelCase(uuid.UUID, [UUID, str(UUID)], ["x", 5], client_only=[(b"x", Binary(b"x"))])],
    "bytes": [ModelCase(of(bytes, max_length=2), [b"", b"ab"], [5, ["a"]], client_only=[b"abc"])],
    "ObjectId": [
        ModelCase(ObjectId, [OID], ["x", 5]),
        ModelCase(PydanticObjectId, [OID, PydanticObjectId(OID), str(OID)], ["x", 5]),
    ],
    "Enum": [
        ModelCase(Colour, [Colour.RED, "blue"], ["green", 1]),
        ModelCase(Level, [Level.LOW, 2], [3, "x"]),
    ],
    "Literal": [ModelCase(Literal["a", 1, Colour.RED], ["a", 1, Colour.RED], ["b", 2, None])],
    "Optional": [
        ModelCase(int | None, [None, 1], ["x"]),
        ModelCase(of(int | None, ge=1), [None, 1], [0]),
        ModelCase(Literal["a", None], ["a", None], ["b"]),
    ],
    "Union": [
        ModelCase(int | str, [1, "a"], [1.5, ["a"]]),
        ModelCase(float | int, [1, 1.5, 2.0, 2**60], ["x"]),
        ModelCase(bool | int | None, [True, 1, 0, False, None], ["x"]),
        ModelCase(list[int] | dict[str, int], [[1], {"a": 1}, []], [["x"], {"a": "x"}, 5]),
        ModelCase(
            Annotated[Card | Cash, Field(discriminator="kind")],
            [Card(number="1"), Cash(), {"kind": "cash", "amount": 2}],
            [({"kind": "card"}, {"kind": "card"}), {"kind": "gold", "number": "1"}, 5],
        ),
        ModelCase(Wire | Cheque, [Wire(iban="x"), Cheque(bank="y")], [{}, 5]),
        ModelCase(list[Wire] | list[Cheque], [[Wire(iban="x")], [Cheque(bank="y")], []], [[{}], 5]),
    ],
    "BaseModel": [
        ModelCase(
            ModelLine,
            [ModelLine(sku="a"), {"sku": "a", "n": 2}],
            [{}, {"sku": "a", "n": 0}, {"n": 1}, 5],
        ),
        ModelCase(Boxed[int], [Boxed[int](item=1)], [{"item": "x"}, {}]),
        ModelCase(Open, [Open(sku="a", other=[1]), {"sku": "b"}], [{"sku": 1}, {"other": 1}]),
        ModelCase(Tags, [Tags(["a"]), ["b"]], [[1], "x"]),
    ],
    "list": [
        ModelCase(list[Any], [[], [1, "a", None, {"a": [NOON]}]], ["a", {"a": 1}, 5]),
        ModelCase(of(list[of(int, ge=1)], max_length=2), [[], [1, 2]], [[0], [1, 2, 3], ["x"], [None]]),
        ModelCase(list[list[str]], [[["a"], []]], [["a"], [[1]]]),
        ModelCase(of(list[str], min_length=1), [["a"]], [[]]),
        ModelCase(list[ModelLine], [[ModelLine(sku="a")]], [[{}], [{"sku": "a", "n": 0}]]),
    ],
    "set": [
        ModelCase(set[str], [set(), {"b", "a"}], ["a", [1], (["a", "a"], ["a", "a"])]),
        ModelCase(of(frozenset[int], min_length=1), [frozenset({1})], [[], ["x"]]),
    ],
    "tuple": [
        ModelCase(tuple[int, str], [(1, "a")], [[1], [1, "a", 2], ["a", 1], 5]),
        ModelCase(tuple[int, ...], [(), (1, 2)], [["x"], 5]),
        ModelCase(tuple[()], [()], [[1]]),
    ],
    "dict": [
        ModelCase(dict[str, Any], [{}, {"a": 1, "b.c": None}], [{"$a": 1}, [], "a"], client_only=[{"a": {"$b": 1}}]),
        ModelCase(dict[str, int], [{"a": 1}], [{"a": "x"}, {"$a": 1}]),
        ModelCase(dict[Colour, int], [{Colour.RED: 1}], [{"green": 1}, {"red": "x"}]),
        ModelCase(of(dict[str, int], min_length=1, max_length=1), [{"a": 1}], [{}, {"a": 1, "b": 2}]),
    ],
    "Any": [ModelCase(Any, [None, 1, "a", {"a": [1]}, NOON, OID, UUID, b"a", Decimal128("1")])],
}

"""A message class refuses a value that a conversion would change, and takes what is exact in whatever form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import Binary, DBRef, Decimal128, Int64, ObjectId
from mongoengine import Document, EmbeddedDocument, fields  # type: ignore[import-untyped]  # mongoengine ships no types

from outbox import InvalidMessage, message
from outbox.messages.message_types import MessageTypes
from outbox.mongo.codec import DECODED

F = fields
ID = ObjectId("65a000000000000000000001")


class ExactCount(Document):  # type: ignore[misc]  # mongoengine ships no types
    id = F.IntField(primary_key=True)


class ExactLine(EmbeddedDocument):  # type: ignore[misc]  # as above
    count = F.IntField(db_field="n")


class Level(IntEnum):
    HIGH = 3


class Word(str, Enum):  # noqa: UP042  # as older code has it
    EU = "eu"


class Whole:
    """Compares as a number, and is none of Python's own."""

    def __int__(self) -> int:
        return 2

    def __eq__(self, other: object) -> bool:
        return other == 2

    __hash__ = None  # type: ignore[assignment]  # not needed


def _class(field: Any, **options: Any) -> Any:
    return message("exact", **options)(type(EmbeddedDocument)("Exact", (EmbeddedDocument,), {"v": field}))


def _stored(cls: Any, instance: Any) -> Any:
    return bson.decode(MessageTypes([cls]).encode(instance)[2], DECODED)["v"]


CHANGED = [
    (F.IntField(), 2.9),
    (F.IntField(), Decimal("2.5")),
    (F.IntField(), math.inf),
    (F.LongField(), 2.9),
    (F.FloatField(), 2**60 + 1),
    (F.FloatField(), Decimal("0.12345678901234567890")),
    (F.FloatField(), "0.12345678901234567890"),
    (F.DecimalField(), "9.999"),
    (F.DecimalField(precision=0), Decimal("1.5")),
    (F.DecimalField(), Decimal("12345678901234567.89")),
    (F.DecimalField(force_string=True), Decimal("1.005")),
    (F.DecimalField(), 1.005),
    (F.DecimalField(), Decimal("NaN")),
    (F.Decimal128Field(), 9.90),
    (F.Decimal128Field(), 0.5),
    (F.Decimal128Field(), "1." + "1" * 34),
    (F.Decimal128Field(), Decimal("1." + "1" * 34)),
    (F.Decimal128Field(), Decimal("1E-6177")),
    (F.Decimal128Field(), Decimal("1E+6145")),
    (F.Decimal128Field(), Decimal("NaN")),
    (F.Decimal128Field(), Decimal("Infinity")),
    (F.Decimal128Field(), Decimal("-Infinity")),
    (F.Decimal128Field(), Decimal128("NaN")),
    (F.Decimal128Field(), "NaN"),
    (F.BooleanField(), "false"),
    (F.BooleanField(), "true"),
    (F.BooleanField(), 2),
    (F.BooleanField(), [0]),
    (F.DateField(), datetime(2026, 1, 2, 12, 30, tzinfo=UTC)),
    (F.DateField(), "2026-01-02T12:30:00"),
    (F.DateTimeField(), "12:30"),
    (F.DateTimeField(), "1/2/2026"),
    (F.ComplexDateTimeField(), datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2)))),
    (F.UUIDField(), 12345678901234567890123456789012),
    (F.StringField(), b"text"),
    (F.BinaryField(), Binary(b"x", 5)),
    (F.ListField(F.IntField()), [1, 2.9]),
    (F.ListField(F.IntField()), {2.9}),
    (F.ListField(F.IntField()), (1, 2.9)),
    (F.ListField(F.IntField()), b"ab"),
    (F.ListField(F.ListField(F.IntField())), [[1], [2.9]]),
    (F.SortedListField(F.IntField()), [2.9, 1]),
    (F.MapField(F.IntField()), {"a": 2.9}),
    (F.DictField(F.BooleanField()), {"a": "false"}),
    (F.EmbeddedDocumentField(ExactLine), {"n": 2.9}),
    (F.EmbeddedDocumentListField(ExactLine), [{"n": 2.9}]),
    (F.GenericEmbeddedDocumentField(choices=[ExactLine]), {"_cls": "ExactLine", "n": 2.9}),
    (F.ReferenceField(ExactCount), 2.9),
    (F.ReferenceField(ExactCount), DBRef("elsewhere", 2)),
]


@pytest.mark.parametrize("way", ["constructed", "assigned", "default"])
@pytest.mark.parametrize(("field", "value"), CHANGED, ids=lambda each: repr(each)[:40])
def test_a_value_that_would_be_stored_as_another_is_refused(field: Any, value: Any, way: str) -> None:
    if way != "constructed" and isinstance(field, F.ComplexDateTimeField):
        pytest.skip("mongoengine makes text of it at once")
    if way == "default":
        field.default = value
    cls = _class(field)
    instance = cls(v=value) if way == "constructed" else cls()
    if way == "assigned":
        instance.v = value
    field.default = None

    with pytest.raises(InvalidMessage, match="exact: "):
        MessageTypes([cls]).encode(instance)


KEPT = [
    (F.IntField(), 2.0, 2),
    (F.IntField(), "5", 5),
    (F.IntField(), Level.HIGH, 3),
    (F.IntField(), Decimal("5.0"), 5),
    (F.IntField(), Whole(), 2),
    (F.LongField(), 2**60 + 1, 2**60 + 1),
    (F.IntField(), Int64(7), 7),
    (F.FloatField(), 2, 2.0),
    (F.FloatField(), "9.90", 9.9),
    (F.FloatField(), Decimal("0.1"), 0.1),
    (F.FloatField(), 2**60, float(2**60)),
    (F.FloatField(), 0.1, 0.1),
    (F.DecimalField(), "9.90", 9.9),
    (F.DecimalField(), 9.9, 9.9),
    (F.DecimalField(), 3, 3.0),
    (F.DecimalField(force_string=True), Decimal("9.9"), "9.90"),
    (F.Decimal128Field(), "9.90", Decimal128("9.90")),
    (F.Decimal128Field(), 3, Decimal128("3")),
    (F.Decimal128Field(), Decimal("1E+6000"), Decimal128("1E+6000")),
    (F.Decimal128Field(), Decimal("9" * 34 + "E+6111"), Decimal128("9" * 34 + "E+6111")),
    (F.Decimal128Field(), Decimal("-9E-6176"), Decimal128("-9E-6176")),
    (F.Decimal128Field(), Decimal("1E+6112"), Decimal128("10E+6111")),
    (F.Decimal128Field(), Decimal128("9.90"), Decimal128("9.90")),
    (F.BooleanField(), True, True),
    (F.BooleanField(), 0, False),
    (F.DateTimeField(), datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC), datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)),
    (
        F.DateTimeField(),
        datetime(2026, 1, 2, 2, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 1, 2, tzinfo=UTC),
    ),
    (F.DateTimeField(), date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)),
    (F.DateTimeField(), "2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (F.DateField(), date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)),
    (F.DateField(), datetime(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)),  # noqa: DTZ001  # naive is what is tried
    (F.UUIDField(), "0000000000000000000000000000000A", UUID(int=10)),
    (F.ObjectIdField(), str(ID), ID),
    (F.StringField(), Word.EU, "eu"),
    (F.EnumField(Level), 3, 3),
    (F.EnumField(Word), Word.EU, "eu"),
    (F.BinaryField(), bytearray(b"x"), b"x"),
    (F.ListField(F.IntField()), (1, "2"), [1, 2]),
    (F.ListField(F.IntField()), range(2), [0, 1]),
    (F.MapField(F.FloatField()), {"a": 1}, {"a": 1.0}),
    (F.EmbeddedDocumentField(ExactLine), {"n": "2"}, {"n": 2}),
    (F.ReferenceField(ExactCount), DBRef("exact_count", 2), 2),
    (F.DynamicField(), (1, 2.9), [1, 2.9]),
]


@pytest.mark.parametrize(("field", "value", "stored"), KEPT, ids=lambda each: repr(each)[:40])
def test_an_exact_conversion_stays(field: Any, value: Any, stored: Any) -> None:
    cls = _class(field)

    assert _stored(cls, cls(v=value)) == stored


def test_each_is_named_with_its_path_and_the_way_out() -> None:
    cls = _class(F.EmbeddedDocumentListField(ExactLine))
    instance = cls(v=[ExactLine(count=1), ExactLine(count=2.9)])

    with pytest.raises(InvalidMessage, match=r"exact: v\[1\]\.count: 2\.9 is no whole number.*strict=False"):
        MessageTypes([cls]).encode(instance)


def test_what_was_given_stays_to_be_seen_and_a_better_value_heals_it() -> None:
    cls = _class(F.IntField())
    instance = cls(v=2.9)
    assert instance.v == 2.9
    instance.v = 2

    assert _stored(cls, instance) == 2


def test_an_iterator_is_looked_at_and_stored_all_the_same() -> None:
    cls = _class(F.ListField(F.IntField()))

    def numbers(last: Any) -> Iterator[Any]:
        yield from (1, last)

    assert _stored(cls, cls(v=numbers(2))) == [1, 2]
    with pytest.raises(InvalidMessage):
        MessageTypes([cls]).encode(cls(v=numbers(2.9)))


def test_strict_false_converts_as_mongoengine_does() -> None:
    for field, value, stored in [
        (F.IntField(), 2.9, 2),
        (F.BooleanField(), "false", True),
        (F.FloatField(), 2**60 + 1, float(2**60)),
        (F.DecimalField(), "9.999", 10.0),
    ]:
        cls = _class(field, strict=False)
        assert _stored(cls, cls(v=value)) == stored


def test_a_class_with_a_constructor_of_its_own_is_looked_at_too() -> None:
    class ExactOwn(EmbeddedDocument):  # type: ignore[misc]  # as above
        v = F.IntField()

        def __init__(self, v: Any, **values: Any) -> None:
            super().__init__(v=v, **values)

    cls = message("exact")(ExactOwn)

    assert _stored(cls, cls(3)) == 3
    assert _stored(cls, cls(v=3)) == 3
    with pytest.raises(InvalidMessage):
        MessageTypes([cls]).encode(cls(v=2.9))


def test_what_clean_assigns_is_looked_at_too() -> None:
    class ExactCleaned(EmbeddedDocument):  # type: ignore[misc]  # as above
        v = F.IntField()

        def clean(self) -> None:
            self.v = 2.9

    cls = message("exact")(ExactCleaned)

    with pytest.raises(InvalidMessage, match=r"v: 2\.9"):
        MessageTypes([cls]).encode(cls())

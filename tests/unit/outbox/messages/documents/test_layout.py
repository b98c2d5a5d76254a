"""The writer in C takes what is plain, by a class's layout, and leaves everything else to the plan."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import ObjectId
from mongoengine import EmbeddedDocument, fields  # type: ignore[import-untyped]  # mongoengine ships no types

from outbox import message
from outbox.messages.documents import plan
from outbox.messages.documents.plan import Plans
from outbox.messages.message_types import MessageTypes
from outbox.mongo.codec import DECODED

F = fields
WHOLE = (0, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, -(2**63))
NOON = datetime(2025, 1, 2, 12, 0, 0, 123456)  # noqa: DTZ001  # without a zone it is UTC


class LaidShape(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    meta = {"allow_inheritance": True}  # noqa: RUF012  # mongoengine's way
    name = F.StringField(db_field="n", null=True)


class LaidSquare(LaidShape):
    side = F.IntField()


@message("laid", key="number")
class Laid(EmbeddedDocument):  # type: ignore[misc]  # as above
    meta = {"allow_inheritance": True}  # noqa: RUF012  # as above
    number = F.StringField(db_field="nr")
    shapes = F.EmbeddedDocumentListField(LaidShape)


def written(made: Any) -> bytes | None:
    """What the writer makes of a message."""
    return plan.write(Plans()._of(type(made)).layout, made._data)


def one(field: Any, value: Any) -> Any:
    made = type(EmbeddedDocument)("LaidOne", (EmbeddedDocument,), {"f": field})()
    made._data["f"] = value
    return made


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        (F.StringField(max_length=3, min_length=1, choices=("é😀",)), "é😀"),
        (F.StringField(regex="^a"), "ab"),
        (F.StringField(), "a\0b"),
        *(
            (F.IntField(min_value=-(2**63), max_value=2**63), each)
            for each in (0, 2**31, -(2**31), 2**63 - 1, -(2**63))
        ),
        (F.FloatField(), -0.0),
        (F.BooleanField(), True),
        (F.DateTimeField(), NOON),
        (F.DateTimeField(), NOON.replace(year=1, tzinfo=UTC)),
        (F.DateTimeField(), NOON.replace(tzinfo=timezone(timedelta(hours=2)))),
        (F.DateField(), date(1969, 1, 2)),
        (F.ObjectIdField(), ObjectId()),
        (F.UUIDField(), UUID(int=7)),
        (F.BinaryField(), b"a\0b"),
        *((F.Decimal128Field(), Decimal(each)) for each in ("-9.90", "0E+6111", "1E-6176", "-0", "9" * 34)),
        (F.ListField(F.IntField()), [*range(120)]),
        (F.ListField(F.ListField(F.StringField())), [["a"], []]),
        (F.ListField(), [1, "a", {"b": [None]}]),
        (F.MapField(F.EmbeddedDocumentField(LaidShape)), {"a": LaidSquare(side=1)}),
        (F.EmbeddedDocumentField(LaidShape), LaidShape()),
    ],
)
def test_usual_values_are_written_as_the_driver_writes_them(field: Any, value: Any) -> None:
    made = one(field, value)

    assert written(made) == bson.encode(made.to_mongo(), codec_options=DECODED)


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        (F.StringField(max_length=1), "ab"),
        (F.StringField(choices=("a",)), "b"),
        (F.StringField(required=True), None),
        (F.IntField(max_value=1), 2),
        (F.IntField(), 2**63),
        (F.FloatField(), float("inf")),
        *((F.Decimal128Field(), Decimal(each)) for each in ("NaN", "Infinity", "1E-6177", "9" * 35)),
        (F.Decimal128Field(max_value=1), Decimal(2)),
        (F.ListField(F.IntField(), max_length=1), [1, 2]),
        (F.ListField(F.IntField(), required=True), []),
        (F.EmbeddedDocumentField(LaidShape), LaidSquare()),
    ],
)
def test_what_is_not_plain_is_left(field: Any, value: Any) -> None:
    assert written(one(field, value)) is None


@pytest.mark.parametrize("is_native", [True, False])
def test_a_message_s_key_is_found_under_its_stored_name(monkeypatch: pytest.MonkeyPatch, is_native: bool) -> None:
    if not is_native:
        monkeypatch.setattr(plan, "write", None)
    _type, key, data = MessageTypes([Laid]).encode(Laid(number="42", shapes=[LaidShape(), LaidShape(name="a")]))

    assert key == "42"
    assert bson.decode(data) == {
        "nr": "42",
        "shapes": [{"_cls": "LaidShape", "n": None}, {"_cls": "LaidShape", "n": "a"}],
    }

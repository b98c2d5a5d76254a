"""A compiled field takes only what mongoengine takes and stores unchanged, and makes the same bytes of it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st
from mongoengine import EmbeddedDocument, fields  # type: ignore[import-untyped]  # mongoengine ships no types

from outbox.messages.documents.conversions import COMPILED
from outbox.messages.documents.exact import changes
from outbox.messages.documents.kind import DocumentKind
from outbox.messages.documents.mongoengine_internals import names
from outbox.messages.documents.plan import Plans
from outbox.messages.not_json import not_json
from outbox.mongo.codec import DECODED

F = fields
ID, UNIVERSAL = ObjectId("65a000000000000000000001"), UUID("12345678-1234-5678-1234-567812345678")
NOON = datetime(2025, 1, 2, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))


class Level(Enum):
    LOW = "low"
    HIGH = 3
    NONE = None


class Rank(IntEnum):
    FIRST = 1


class ConvertedPart(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    n = F.IntField(required=True, db_field="number", min_value=0)
    text = F.StringField(null=True)


FIELDS: list[Any] = [
    F.StringField(), F.StringField(required=True, null=True, max_length=3, min_length=1), F.StringField(regex="^a"),
    F.StringField(choices=("a", "b")), F.StringField(choices=[("a", "A"), ("ab", "B")], null=True), F.IntField(),
    F.IntField(min_value=-1, max_value=3), F.IntField(choices=(1, 2)), F.FloatField(), F.FloatField(min_value=0.5),
    F.FloatField(choices=(1.0, 2.5)), F.BooleanField(), F.BooleanField(choices=(True,)), F.DateTimeField(),
    F.DateField(), F.ObjectIdField(), F.UUIDField(), F.UUIDField(binary=False), F.BinaryField(),
    F.BinaryField(max_bytes=2), F.Decimal128Field(), F.Decimal128Field(min_value=0, max_value=Decimal("2.5")),
    F.DecimalField(), F.DecimalField(force_string=True), F.EnumField(Level), F.EnumField(Rank),
    F.EnumField(Level, choices=[Level.LOW]), F.ComplexDateTimeField(), F.URLField(), F.EmailField(), F.GeoPointField(),
    F.PointField(), F.ListField(), F.ListField(F.IntField()), F.ListField(F.StringField(max_length=2), required=True),
    F.ListField(F.FloatField(), max_length=2), F.ListField(F.ListField(F.IntField())), F.SortedListField(F.IntField()),
    F.ListField(F.StringField(), choices=("a", "b")), F.EmbeddedDocumentListField(ConvertedPart), F.DictField(),
    F.DictField(required=True), F.MapField(F.IntField()), F.MapField(F.EmbeddedDocumentField(ConvertedPart)),
    F.EmbeddedDocumentField(ConvertedPart), F.GenericEmbeddedDocumentField(choices=(ConvertedPart,)), F.DynamicField(),
]  # fmt: skip
FIELDS += [each() for each in sorted(COMPILED - {*map(type, FIELDS)}, key=str)]  # such as LongField, where there is one
CLASSES = [type(EmbeddedDocument)(f"Converted{at}", (EmbeddedDocument,), {"f": each}) for at, each in enumerate(FIELDS)]


def part(**values: Any) -> Any:
    made = ConvertedPart()
    for name, value in values.items():
        setattr(made, name, value)
    return made


numbers = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(-3, 3), st.booleans(), st.floats(), st.decimals(), st.just(Int64(3))
)
leaves = st.one_of(
    st.none(), st.text(max_size=4), st.sampled_from(["a", "ab", "\ud800", "a\0", "$a", "a@b.com", "http://a.com"]),
    numbers, st.sampled_from([NOON, NOON.replace(tzinfo=None), datetime.min.replace(tzinfo=UTC), date(2025, 1, 2)]),
    st.sampled_from([ID, str(ID), UNIVERSAL, str(UNIVERSAL), b"", b"abc", Binary(b"a", 5), bytearray(b"a")]),
    st.sampled_from([Decimal("1E-6177"), Decimal("1.10"), Decimal128("1.1"), Decimal128("NaN"), math.nan]),
    st.sampled_from([*Level, *Rank, bson.Timestamp(1, 1), object(), [1.5, 2]]),
)  # fmt: skip
parts = st.builds(part, n=st.integers(-1, 2), text=st.one_of(st.none(), st.text(max_size=2)))
keys = st.sampled_from(["", "a", "b.c", "$a", "_cls"])
values = st.recursive(
    st.one_of(leaves, parts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(st.one_of(keys, st.just(1)), inner, max_size=3),
    ),
    max_leaves=5,
)
homogeneous = st.one_of(
    st.lists(st.text(max_size=2), max_size=3), st.lists(st.integers(-1, 3)), st.lists(st.floats(0, 2), max_size=2),
    st.lists(parts, max_size=2), st.dictionaries(keys, parts, max_size=2), st.dictionaries(keys, st.integers()),
)  # fmt: skip


def message_of(cls: Any, value: Any) -> Any:
    made = cls()
    try:
        made.f = value
    except Exception:  # noqa: BLE001  # whatever a field refuses at once
        made._data["f"] = value
    return made


every_class = pytest.mark.parametrize("cls", CLASSES, ids=[type(each).__name__ for each in FIELDS])


@every_class
@settings(max_examples=40)
@given(value=st.one_of(leaves, homogeneous, values))
def test_what_is_compiled_is_what_mongoengine_does(cls: Any, value: Any) -> None:
    made = message_of(cls, value)
    try:
        data = Plans().data_of(made)
        encoded = bson.encode(data, codec_options=DECODED)
    except Exception:  # noqa: BLE001  # then mongoengine decides
        return
    made.validate()
    assert bson.encode(made.to_mongo(), codec_options=DECODED) == encoded
    assert not list(changes(made))
    assert not_json(data) is None


@pytest.mark.usefixtures("writer")
@every_class
@settings(max_examples=40)
@given(value=st.one_of(leaves, homogeneous, values))
def test_what_the_writer_takes_is_what_the_plan_makes(cls: Any, value: Any) -> None:
    made, plans = message_of(cls, value), Plans()
    try:
        planned = bson.encode(plans.data_of(made), codec_options=DECODED)
    except Exception:  # noqa: BLE001  # then mongoengine decides
        planned = None
    try:
        written = plans.encoded(made)[1]
    except Exception:  # noqa: BLE001  # as above
        written = None
    assert written == planned


def outcome(encode: Any, made: Any, *, strict: bool) -> object:
    try:
        return encode(made, "converted", strict=strict)[1]
    except Exception as error:  # noqa: BLE001  # compared
        return type(error), str(error)


@every_class
@settings(max_examples=40)
@given(value=st.one_of(leaves, values), strict=st.booleans())
def test_what_is_refused_is_refused_by_mongoengine_with_its_error(cls: Any, value: Any, strict: bool) -> None:  # drawn
    kind, made = DocumentKind(), message_of(cls, value)

    assert outcome(kind.encode, made, strict=strict) == outcome(kind._encode, made, strict=strict)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (F.StringField(max_length=3, regex="^a", choices=("abc",)), "abc"),
        *((each(max_value=1), 1) for each in names().integers),
        (F.FloatField(max_value=2.0), 1.5),
        (F.BooleanField(), True),
        (F.DateTimeField(), NOON),
        (F.DateField(), date(2025, 1, 2)),
        (F.ObjectIdField(), ID),
        (F.UUIDField(), UNIVERSAL),
        (F.UUIDField(binary=False), UNIVERSAL),
        (F.BinaryField(max_bytes=3), b"abc"),
        (F.Decimal128Field(min_value=0), Decimal("9.90")),
        (F.DecimalField(), Decimal("9.90")),
        (F.EnumField(Level), Level.HIGH),
        (F.ComplexDateTimeField(), datetime(2025, 1, 2)),  # noqa: DTZ001  # it takes no other
        (F.URLField(), "http://example.com"),
        (F.PointField(), [1.0, 2.0]),
        (F.ListField(), [1, "a", {"b": [None]}]),
        (F.ListField(F.IntField()), [1, 2]),
        (F.EmbeddedDocumentListField(ConvertedPart), [part(n=1)]),
        (F.DictField(), {"a": 1}),
        (F.MapField(F.StringField()), {"a": "b"}),
        (F.EmbeddedDocumentField(ConvertedPart), part(n=1, text="a")),
    ],
)
def test_usual_values_are_taken_without_mongoengine(field: Any, value: Any) -> None:
    made = message_of(type(EmbeddedDocument)("ConvertedUsual", (EmbeddedDocument,), {"f": field}), value)

    assert bson.encode(Plans().data_of(made), codec_options=DECODED) == bson.encode(
        made.to_mongo(), codec_options=DECODED
    )

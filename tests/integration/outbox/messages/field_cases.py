"""Each field class of mongoengine, with values to try on the client and on the server."""

from __future__ import annotations

import enum
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from bson import Binary, DBRef, Decimal128, ObjectId
from mongoengine import Document, EmbeddedDocument, fields

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
OID = ObjectId("65a000000000000000000001")
UUID = uuid.UUID("abcdef00-1234-5678-1234-567812345678")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class ParityLine(EmbeddedDocument):
    sku = fields.StringField(required=True)
    count = fields.IntField(db_field="n", min_value=1)


class ParityShape(EmbeddedDocument):
    meta: ClassVar = {"allow_inheritance": True}
    name = fields.StringField()


class ParityCircle(ParityShape):
    radius = fields.FloatField(required=True)


class ParityCustomer(Document):
    name = fields.StringField()


@dataclass(frozen=True)
class Case:
    """A field, with values as Python has them; a pair is (as the client has it, as BSON holds it)."""

    make: Callable[[], Any]
    takes: list[Any] = field(default_factory=list)
    refuses: list[Any] = field(default_factory=list)
    client_only: list[Any] = field(default_factory=list)
    server_only: list[Any] = field(default_factory=list)


F = fields
CASES: dict[type, list[Case]] = {
    F.StringField: [
        Case(F.StringField, ["", "a", "é\0"], [1, b"a", ["a"], True]),
        Case(lambda: F.StringField(min_length=2, max_length=3), ["ab", "é😀", "abc"], ["a", "😀", "abcd"]),
        Case(lambda: F.StringField(regex=r"[A-Z]{2,3}-[0-9]+$"), ["AB-1", "ABC-12", "AB-1\n"], ["A-1", "xAB-1", "AB-"]),
        Case(lambda: F.StringField(regex="a|b"), ["a", "bc"], ["ca", ""]),
        Case(lambda: F.StringField(regex=r"\d+"), ["1", "٣"], [1], client_only=["x"]),
        Case(lambda: F.StringField(regex=re.compile("a", re.IGNORECASE)), ["A"], [1], client_only=["x"]),
        Case(lambda: F.StringField(choices=["a", "b"]), ["a"], ["c", ""]),
        Case(lambda: F.StringField(choices=[("a", "Letter A")]), ["a"], ["Letter A"]),
    ],
    F.EmailField: [
        Case(F.EmailField, ["a@example.org"], [1], client_only=["no address"]),
        Case(lambda: F.EmailField(max_length=8), ["a@b.de"], ["abcdefgh@b.de"]),
    ],
    F.URLField: [Case(F.URLField, ["https://example.org/x"], [1], client_only=["no url", "gopher://example.org"])],
    F.IntField: [
        Case(F.IntField, [0, -1, 2**31, 2**63 - 1], ["x", [1]]),
        Case(lambda: F.IntField(min_value=1, max_value=5), [1, 5], [0, 6]),
        Case(lambda: F.IntField(choices=[1, 2]), [1], [3]),
    ],
    F.LongField: [
        Case(F.LongField, [0, 2**40], ["x"]),
        Case(lambda: F.LongField(min_value=1, max_value=2**40), [1, 2**40], [0, 2**40 + 1]),
    ],
    F.FloatField: [
        Case(F.FloatField, [0.5, 3, -1e300], ["x", [0.5]], client_only=[float("nan"), float("inf")]),
        Case(
            lambda: F.FloatField(min_value=0.5, max_value=1),
            [0.5, 1],
            [0.4, 1.1, float("nan")],
        ),
    ],
    F.DecimalField: [
        Case(F.DecimalField, [Decimal("1.25"), 2], ["x"]),
        Case(lambda: F.DecimalField(min_value=0, max_value=Decimal("1.5")), [Decimal("1.5")], [(-1, -1.0), (2, 2.0)]),
        Case(
            lambda: F.DecimalField(force_string=True, precision=8, min_value=-2),
            [Decimal("1.25"), Decimal(-1), Decimal("0.00000001")],
            ["x", "", [1]],
            client_only=["-3.0"],
        ),
        Case(lambda: F.DecimalField(force_string=True), [Decimal("1.25")], [(Decimal("NaN"), "NaN")]),
    ],
    F.Decimal128Field: [
        Case(
            F.Decimal128Field,
            [Decimal("1.25"), Decimal128("9.999999999999999999999999999999999E+6144")],
            [
                "x",
                *((each, Decimal128(each)) for each in (Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"))),
            ],
        ),
        Case(
            lambda: F.Decimal128Field(min_value=0, max_value=Decimal("0.10")),
            [Decimal(0), Decimal("0.1")],
            [(Decimal("-0.01"), Decimal128("-0.01")), (Decimal("0.11"), Decimal128("0.11"))],
        ),
    ],
    F.BooleanField: [Case(F.BooleanField, [True, False], [1, "true", 0])],
    F.DateTimeField: [Case(F.DateTimeField, [NOON, NOON.replace(tzinfo=None)], ["yesterday", 5])],
    F.DateField: [Case(F.DateField, [date(2024, 5, 6)], ["yesterday", 5])],
    F.ComplexDateTimeField: [
        Case(
            F.ComplexDateTimeField,
            [NOON.replace(tzinfo=None, microsecond=123456)],
            ["2024", "2024-05-06", 5],
            client_only=["2024,13,01,00,00,00,000000"],
        ),
        Case(lambda: F.ComplexDateTimeField(separator="."), [NOON.replace(tzinfo=None)], ["2024x05x06x00x00x00x0"]),
    ],
    F.ObjectIdField: [Case(F.ObjectIdField, [OID], ["x", 5, "é"])],
    F.UUIDField: [
        Case(F.UUIDField, [UUID, str(UUID)], ["x", 5], client_only=[(b"x", Binary(b"x"))]),
        Case(lambda: F.UUIDField(binary=False), [UUID, str(UUID)], ["x", 5], server_only=[str(UUID).upper()]),
    ],
    F.BinaryField: [Case(lambda: F.BinaryField(max_bytes=2), [b"", b"ab"], ["ab", 5], client_only=[b"abc"])],
    F.EnumField: [
        Case(lambda: F.EnumField(Colour), [Colour.RED, "blue"], ["green", 1]),
        Case(lambda: F.EnumField(Colour, choices=[Colour.RED]), [Colour.RED], [(Colour.BLUE, "blue")]),
    ],
    F.DynamicField: [
        Case(
            lambda: F.DynamicField(required=True),
            [1, "a", {"a": [1]}],
            [None],
            client_only=[(ParityLine(), {"_cls": "ParityLine"})],
        )
    ],
    F.ListField: [
        Case(F.ListField, [[], [1, "a", None]], ["a", {"a": 1}, 5]),
        Case(lambda: F.ListField(F.IntField(min_value=1), max_length=2), [[], [1, 2]], [[0], [1, 2, 3], ["x"], [None]]),
        Case(lambda: F.ListField(F.ListField(F.StringField())), [[["a"], []]], [["a"], [[1]]]),
        Case(lambda: F.ListField(F.StringField(), required=True), [["a"]], [[]]),
        Case(lambda: F.ListField(F.StringField(), choices=["a", "b"]), [[], ["a", "b"]], [["c"]]),
        Case(lambda: F.ListField(F.EnumField(Colour)), [[Colour.RED]], [["green"]]),
    ],
    F.SortedListField: [Case(lambda: F.SortedListField(F.IntField()), [[2, 1]], [["x"], "a"])],
    F.EmbeddedDocumentListField: [
        Case(
            lambda: F.EmbeddedDocumentListField(ParityLine),
            [[], [ParityLine(sku="a", count=1)]],
            [([ParityLine()], [{}]), ([ParityLine(sku="a", count=0)], [{"sku": "a", "n": 0}]), ["a"]],
        )
    ],
    F.DictField: [
        Case(F.DictField, [{}, {"a": 1, "b.c": None}], [{"$a": 1}, [], "a"], client_only=[{"a": {"$b": 1}}]),
        Case(lambda: F.DictField(F.IntField()), [{"a": 1}], [{"a": "x"}, {"$a": 1}]),
        Case(lambda: F.DictField(required=True), [{"a": 1}], [{}]),
    ],
    F.MapField: [
        Case(lambda: F.MapField(F.IntField()), [{"a": 1}], [{"a": "x"}, {"$a": 1}, 5]),
        Case(
            lambda: F.MapField(F.EmbeddedDocumentField(ParityLine)),
            [{"a": ParityLine(sku="a")}],
            [({"a": ParityLine()}, {"a": {}})],
        ),
    ],
    F.EmbeddedDocumentField: [
        Case(
            lambda: F.EmbeddedDocumentField(ParityLine),
            [ParityLine(sku="a", count=1)],
            [(ParityLine(), {}), (ParityLine(sku="a", count=0), {"sku": "a", "n": 0}), {"sku": "a", "other": 1}, 5],
        ),
        Case(
            lambda: F.EmbeddedDocumentField(ParityShape),
            [ParityShape(name="a"), ParityCircle(radius=1.5)],
            [
                (ParityCircle(), {"_cls": "ParityShape.ParityCircle"}),
                (ParityLine(sku="a"), {"_cls": "ParityLine", "sku": "a"}),
            ],
        ),
        Case(
            lambda: F.EmbeddedDocumentField(ParityShape, choices=[ParityCircle]),
            [ParityCircle(radius=1.5)],
            [(ParityShape(name="a"), {"_cls": "ParityShape", "name": "a"})],
        ),
    ],
    F.GenericEmbeddedDocumentField: [
        Case(
            F.GenericEmbeddedDocumentField,
            [ParityLine(sku="a"), ParityCircle(radius=1.5)],
            [5, {"sku": "a"}],
            client_only=[(ParityLine(), {"_cls": "ParityLine"})],
        ),
        Case(
            lambda: F.GenericEmbeddedDocumentField(choices=[ParityLine, ParityShape]),
            [ParityLine(sku="a"), ParityCircle(radius=1.5)],
            [(ParityLine(), {"_cls": "ParityLine"}), (ParityCircle(), {"_cls": "ParityShape.ParityCircle"})],
        ),
    ],
    F.ReferenceField: [
        Case(lambda: F.ReferenceField(ParityCustomer), [OID, ParityCustomer(id=OID)], ["x", 5]),
        Case(
            lambda: F.ReferenceField(ParityCustomer, dbref=True),
            [DBRef("parity_customer", OID), ParityCustomer(id=OID)],
            ["x", 5],
        ),
    ],
    F.LazyReferenceField: [
        Case(lambda: F.LazyReferenceField(ParityCustomer), [OID, ParityCustomer(id=OID)], ["x", 5]),
        Case(
            lambda: F.LazyReferenceField(ParityCustomer, dbref=True),
            [OID],
            ["x"],
            client_only=[DBRef("other", OID)],
        ),
    ],
    F.GenericReferenceField: [
        Case(
            lambda: F.GenericReferenceField(choices=[ParityCustomer]),
            [ParityCustomer(id=OID)],
            [5, {"_cls": "ParityCustomer"}, {"_cls": "Other", "_ref": DBRef("other", OID)}],
        ),
        Case(F.GenericReferenceField, server_only=[DBRef("parity_customer", OID)]),
    ],
    F.GenericLazyReferenceField: [
        Case(F.GenericLazyReferenceField, [ParityCustomer(id=OID)], [5, {"_cls": "ParityCustomer"}])
    ],
    F.GeoPointField: [
        Case(F.GeoPointField, [[1, 2.5], (1, 2)], [[1], [1, 2, 3], ["a", "b"], 5], server_only=[[True, False]])
    ],
    F.PointField: [
        Case(
            F.PointField,
            [[1, 2.5], {"type": "Point", "coordinates": [1, 2]}],
            [
                5,
                {"type": "Line", "coordinates": [1, 2]},
                {"type": "Point"},
                ([1], {"type": "Point", "coordinates": [1]}),
            ],
        )
    ],
    F.LineStringField: [
        Case(F.LineStringField, [[[1, 2], [3, 4]]], [5, ([], {"type": "LineString", "coordinates": []})])
    ],
    F.PolygonField: [
        Case(
            F.PolygonField,
            [[[[0, 0], [0, 1], [1, 0], [0, 0]]]],
            [5, ([[]], {"type": "Polygon", "coordinates": [[]]})],
            client_only=[{"type": "Polygon", "coordinates": [[[0, 0], [0, 1]]]}],
        )
    ],
    F.MultiPointField: [
        Case(F.MultiPointField, [[[1, 2]]], [5, ([[1]], {"type": "MultiPoint", "coordinates": [[1]]})])
    ],
    F.MultiLineStringField: [
        Case(F.MultiLineStringField, [[[[1, 2]]]], [5, ([[1]], {"type": "MultiLineString", "coordinates": [[1]]})])
    ],
    F.MultiPolygonField: [
        Case(
            F.MultiPolygonField,
            [[[[[0, 0], [0, 1], [0, 0]]]]],
            [5, ([[[1]]], {"type": "MultiPolygon", "coordinates": [[[1]]]})],
            client_only=[{"type": "MultiPolygon", "coordinates": [[[[0, 0], [0, 1]]]]}],
        )
    ],
}

"""From message classes to schemas, for the server and for people."""

from __future__ import annotations

import enum
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from mongoengine import Document, EmbeddedDocument, fields

from outbox.errors import InvalidMessageClass
from outbox.messages.dialects import portable_pattern
from outbox.messages.documents.fields import bson_schema, json_schema
from tests.integration.outbox.messages.field_cases import CASES


def of(*bases: type, **attributes: Any) -> Any:
    return type(EmbeddedDocument)("Made", (*bases, EmbeddedDocument)[:1], attributes)


def test_the_fields_of_a_class_become_a_closed_object() -> None:
    cls = of(a=fields.StringField(required=True, db_field="x"), b=fields.IntField())

    assert bson_schema(cls) == {
        "bsonType": "object",
        "properties": {"x": {"bsonType": "string"}, "b": {"bsonType": ["int", "long"]}},
        "required": ["x"],
        "additionalProperties": False,
    }


def test_a_class_without_fields_has_a_schema() -> None:
    assert bson_schema(of()) == {"bsonType": "object", "properties": {}, "additionalProperties": False}


def test_a_schema_is_as_the_server_gives_it_back() -> None:
    schema = bson_schema(of(a=fields.DateTimeField(choices=(datetime(2024, 1, 1, tzinfo=UTC),))))

    assert schema["properties"]["a"]["enum"] == [datetime(2024, 1, 1, tzinfo=UTC)]
    assert type(schema) is dict


class Shelf(EmbeddedDocument):
    inner = fields.EmbeddedDocumentField("self")


class Chicken(EmbeddedDocument):
    eggs = fields.ListField(fields.EmbeddedDocumentField("Egg"))


class Egg(EmbeddedDocument):
    chicken = fields.EmbeddedDocumentField(Chicken)


@pytest.mark.parametrize("cls", [Shelf, Chicken, Egg])
def test_a_class_that_contains_itself_is_refused(cls: Any) -> None:
    with pytest.raises(InvalidMessageClass, match="contains itself"):
        bson_schema(cls)


def test_a_class_used_twice_side_by_side_is_no_recursion() -> None:
    part = of(x=fields.IntField())

    bson_schema(of(a=fields.EmbeddedDocumentField(part), b=fields.EmbeddedDocumentField(part)))


class Payment(EmbeddedDocument):
    meta: ClassVar = {"allow_inheritance": True}


class Nameless(Payment):
    meta: ClassVar = {"strict": False}


class Target(Document):
    pass


class Odd(fields.StringField):
    def to_mongo(self, value: Any) -> Any:
        return [value]


class Strict(fields.StringField):
    def validate(self, value: Any) -> None:
        self.error("never")


class Unstorable(enum.Enum):
    A = object()


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (fields.EmbeddedDocumentField(Payment), r"Nameless is stored without its name"),
        (Odd(), r"Odd changes how StringField stores a value"),
        (fields.EnumField(Unstorable), "BSON refuses"),
        (fields.IntField(max_value=2**70), "BSON refuses"),
        (fields.UUIDField(choices=["x"]), "a choice cannot be stored"),
        (fields.DictField(choices=["x"]), "cannot check choices on a DictField"),
        (fields.ReferenceField(Target, choices=["x"]), "cannot check choices on a ReferenceField"),
        (fields.ListField(fields.ListField(), choices=["x"]), "choices on a list of documents or lists"),
        (fields.GenericEmbeddedDocumentField(choices=["Payment"]), "choices must be EmbeddedDocument classes"),
        (fields.EmbeddedDocumentField(Payment, choices=[Shelf]), "no class"),
        (fields.EmbeddedDocumentField("Target"), "mongoengine or BSON refuses"),
        (fields.ListField(fields.SequenceField()), r"\.f\[\]: a SequenceField cannot be in a message"),
        (fields.MapField(fields.FileField()), r"\.f\{\}: a FileField cannot be in a message"),
    ],
)
def test_a_field_without_a_sure_schema_is_refused_naming_it(field: Any, reason: str) -> None:
    with pytest.raises(InvalidMessageClass, match=rf"Made(?s:.*){reason}"):
        bson_schema(of(f=field))


def test_a_field_that_only_checks_more_keeps_its_schema() -> None:
    assert bson_schema(of(f=Strict()))["properties"]["f"] == {"bsonType": "string"}


def test_a_stored_name_that_is_another_fields_name_is_refused() -> None:
    with pytest.raises(InvalidMessageClass, match="a is stored as 'b', which is another field's name"):
        bson_schema(of(a=fields.IntField(db_field="b"), b=fields.IntField(db_field="c")))


class Vehicle(EmbeddedDocument):
    meta: ClassVar = {"abstract": True, "allow_inheritance": True}


class Car(Vehicle):
    doors = fields.IntField()


def test_an_abstract_class_is_not_among_those_a_field_takes() -> None:
    schema = bson_schema(of(f=fields.EmbeddedDocumentField(Vehicle)))["properties"]["f"]

    assert [branch["properties"]["_cls"] for branch in schema["anyOf"]] == [{"enum": ["Car"]}]


class AbstractTarget(Document):
    meta: ClassVar = {"abstract": True}


def test_a_reference_to_an_abstract_document_is_stored_with_its_class() -> None:
    schema = bson_schema(of(f=fields.ReferenceField(AbstractTarget)))["properties"]["f"]

    assert schema["required"] == ["$ref", "$id"]
    assert "cls" in schema["properties"]


class Twin(EmbeddedDocument):
    x = fields.IntField()


def test_two_classes_of_one_name_are_refused_where_a_reader_must_tell_them_apart() -> None:
    type(EmbeddedDocument)("Twin", (EmbeddedDocument,), {"y": fields.IntField()})

    with pytest.raises(InvalidMessageClass, match="two classes are called Twin"):
        bson_schema(of(f=fields.GenericEmbeddedDocumentField(choices=[Twin])))


def test_choices_of_a_list_and_of_its_items_both_hold() -> None:
    inner = fields.StringField(choices=["a", "b"])

    schema = bson_schema(of(f=fields.ListField(inner, choices=["b", "c"])))["properties"]["f"]

    assert schema["items"] == {"bsonType": "string", "enum": ["b"]}


def test_a_chosen_date_stands_in_utc_in_the_json_schema() -> None:
    paris = datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))

    schema = json_schema(of(f=fields.DateTimeField(choices=[paris])))["properties"]["f"]

    assert schema["enum"] == ["2024-01-01T00:00:00.000Z"]


@pytest.mark.parametrize("source", ["a", "^a.b$", "[A-Z]{2,3}(?:x|y)+?", r"\(\.\)[^0-9-]*", "é|", "(a|b){3}"])
def test_a_pattern_all_read_alike_is_anchored_as_python_does(source: str) -> None:
    assert portable_pattern(re.compile(source)) == f"^(?:{source})"


@pytest.mark.parametrize(
    "source",
    [
        r"\d",
        r"\w+",
        r"a\b",
        r"a\Z",
        "(?i)a",
        "(?=a)",
        "(?P<n>a)",
        r"(a)\1",
        "a*+",
        "a{,3}",
        "a{",
        "[a[]",
        "[^^]",
        r"[\d]",
    ],
)
def test_a_pattern_read_differently_elsewhere_is_left_to_the_client(source: str) -> None:
    assert portable_pattern(re.compile(source)) is None


@pytest.mark.parametrize("flag", [re.IGNORECASE, re.MULTILINE, re.DOTALL, re.VERBOSE])
def test_a_pattern_with_flags_is_left_to_the_client(flag: re.RegexFlag) -> None:
    assert portable_pattern(re.compile("a", flag)) is None


@given(st.from_regex(r"[ab^$.|()?*+\[\]{},\\0-]{0,8}", fullmatch=True), st.text("ab0-^]\n", max_size=5))
def test_a_portable_pattern_matches_what_the_field_matches(source: str, text: str) -> None:
    try:
        pattern = re.compile(source)
    except (re.error, FutureWarning):
        return
    anchored = portable_pattern(pattern)
    if anchored is not None:
        assert bool(re.search(anchored, text)) == bool(pattern.match(text))


@pytest.mark.parametrize("cls", list(CASES))
def test_every_field_has_a_json_schema(cls: type) -> None:
    for case in CASES[cls]:
        Draft202012Validator.check_schema(json_schema(of(f=case.make())))


def test_the_json_schema_describes_the_value_on_kafka() -> None:
    schema = json_schema(
        of(
            id=fields.ObjectIdField(required=True, help_text="the order"),
            total=fields.Decimal128Field(min_value=0),
            at=fields.DateTimeField(null=True),
            state=fields.StringField(choices=["new", "done"]),
            key=fields.UUIDField(),
            raw=fields.BinaryField(),
            count=fields.LongField(min_value=1),
        )
    )
    value = {
        "id": "65a000000000000000000001",
        "total": "9.90",
        "at": "2025-01-02T03:04:05.678Z",
        "state": "new",
        "key": "00000000-0000-0000-0000-00000000000a",
        "raw": "AAE=",
        "count": 3,
    }
    checks = Draft202012Validator(schema)

    assert schema["title"] == "Made"
    assert schema["properties"]["id"]["description"] == "the order"
    assert checks.is_valid(value)
    assert checks.is_valid({**value, "at": None})
    for wrong in ({"total": 9.9}, {"state": "old"}, {"count": 0}, {"id": "x"}, {"more": 1}, {"state": None}):
        assert not checks.is_valid({**value, **wrong}), wrong

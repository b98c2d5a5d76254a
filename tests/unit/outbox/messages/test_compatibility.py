"""One schema accepts all that another does, or it is said where it may not."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Decimal128
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from outbox.messages.compatibility import differences

INT = {"bsonType": "int"}
NULL = {"bsonType": "null"}
TEXT = {"bsonType": "string"}


def object_of(others: Any = None, **properties: Any) -> dict[str, Any]:
    """An object of these fields; `others` says what any other may be."""
    rest = {} if others is None else {"additionalProperties": others}
    return {"bsonType": "object", "properties": properties, **rest}


WIDER = [
    ("anything", {}, INT),
    ("more types", {"bsonType": ["null", "int"]}, INT),
    ("the same types in another order", {"bsonType": ["int", "long"]}, {"bsonType": ["long", "int"]}),
    ("a choice more", {"enum": ["a", "b"]}, {"enum": ["b"]}),
    ("less that is required", {"required": ["a"]}, {"required": ["b", "a"]}),
    ("an equal minimum", {"minimum": 1}, {"minimum": 1.0}),
    ("a lower minimum", {"minimum": 1}, {"minimum": 2}),
    ("a higher maximum", {"maximum": 2}, {"maximum": 1}),
    ("a decimal's lower minimum", {"minimum": Decimal128("9")}, {"minimum": Decimal128("10")}),
    ("a decimal's higher maximum", {"maximum": Decimal128("10")}, {"maximum": Decimal128("9")}),
    ("shorter texts", {"minLength": 1}, {"minLength": 2}),
    ("longer texts", {"maxLength": 2}, {"maxLength": 1}),
    ("shorter lists", {"minItems": 1}, {"minItems": 2}),
    ("longer lists", {"maxItems": 2}, {"maxItems": 1}),
    ("fewer fields at least", {"minProperties": 1}, {"minProperties": 2}),
    ("no pattern", {}, {"pattern": "x"}),
    ("items of anything", {"bsonType": "array"}, {"bsonType": "array", "items": INT}),
    ("wider items", {"items": {"minimum": 1}}, {"items": {"minimum": 2}}),
    ("a field of anything", object_of(a={}), object_of(a=INT)),
    ("a field more", object_of(False, a=INT, b=INT), object_of(False, a=INT)),
    ("other fields as well", object_of(a=INT), object_of(False, a=INT)),
    ("other fields of any kind", object_of(True), object_of(INT)),
    ("one of several", {"anyOf": [TEXT, INT]}, INT),
    ("more alternatives", {"anyOf": [TEXT, INT, NULL]}, {"anyOf": [NULL, TEXT]}),
    ("an exclusive bound", {"minimum": 1}, {"minimum": 1, "exclusiveMinimum": True}),
    ("any text for a choice", TEXT, {"enum": ["a", "b"]}),
    ("more fields at most", {"maxProperties": 2}, {"maxProperties": 1}),
    ("items that may be there twice", {}, {"uniqueItems": True}),
    ("wider places", {"items": [INT, {}]}, {"items": [INT, TEXT]}),
    ("all alike", {"items": INT}, {"items": [INT, INT], "maxItems": 2}),
    ("fields that are not declared", object_of(a=INT) | {"patternProperties": {"^[$]": NULL}}, object_of(False, a=INT)),
    ("the same, of keywords that it does not know", {"oneOf": [INT, TEXT]}, {"oneOf": [INT, TEXT]}),
    ("what each alternative is", {"bsonType": ["int", "string"]}, {"anyOf": [TEXT, INT]}),
]


@pytest.mark.parametrize(("wide", "narrow"), [pair[1:] for pair in WIDER], ids=[pair[0] for pair in WIDER])
def test_a_schema_accepts_all_that_a_narrower_one_does(wide: dict[str, Any], narrow: dict[str, Any]) -> None:
    assert differences(wide, narrow) == []


NARROWER = [
    (
        "a bound that is exclusive",
        {"maximum": 1, "exclusiveMaximum": True},
        {"maximum": 1},
        "data: maximum 1 against 1",
    ),
    ("a number for a choice of 1, which 1.0 is too", INT, {"enum": [1]}, "data: bsonType int against none"),
    ("text for a choice of another type", TEXT, {"enum": ["a", True]}, "data: enum none against ['a', True]"),
    ("places of their own", {"items": [INT]}, {"items": INT}, "data[]: 1 places of their own against other ones"),
    ("one place more", {"items": INT}, {"items": [INT]}, "data[]: bsonType int against none"),
    ("another place", {"items": [INT, INT]}, {"items": [INT, TEXT]}, "data[1]: bsonType int against string"),
    ("an item twice", {"uniqueItems": True}, {}, "data: uniqueItems True against none"),
    (
        "a field that must not be there",
        {"patternProperties": {"^a": {"not": {}}}},
        object_of(False, ab=INT),
        "data: patternProperties {'^a': {'not': {}}} against none",
    ),
    ("another type", INT, TEXT, "data: bsonType int against string"),
    ("fewer types", INT, {"bsonType": ["int", "null"]}, "data: bsonType int against ['int', 'null']"),
    ("a type where any was", INT, {}, "data: bsonType int against none"),
    ("a choice less", {"enum": ["a"]}, {"enum": ["a", "b"]}, "data: enum ['a'] against ['a', 'b']"),
    ("true, which is not 1", {"enum": [True]}, {"enum": [1]}, "data: enum [True] against [1]"),
    ("more that is required", {"required": ["a"]}, {"required": []}, "data: required ['a'] against []"),
    ("a higher minimum", {"minimum": 2}, {"minimum": 1}, "data: minimum 2 against 1"),
    ("a lower maximum", {"maximum": 1}, {"maximum": 2}, "data: maximum 1 against 2"),
    (
        "a decimal's higher minimum, which as text is lower",
        {"minimum": Decimal128("10")},
        {"minimum": Decimal128("9")},
        "data: minimum 10 against 9",
    ),
    ("longer texts only", {"minLength": 2}, {"minLength": 1}, "data: minLength 2 against 1"),
    ("shorter texts only", {"maxLength": 1}, {}, "data: maxLength 1 against none"),
    ("longer lists only", {"minItems": 1}, {"minItems": 0}, "data: minItems 1 against 0"),
    ("shorter lists only", {"maxItems": 1}, {"maxItems": 2}, "data: maxItems 1 against 2"),
    ("more fields at least", {"minProperties": 2}, {"minProperties": 1}, "data: minProperties 2 against 1"),
    ("another pattern", {"pattern": "x"}, {"pattern": "y"}, "data: pattern x against y"),
    ("a keyword that nobody knows", {"multipleOf": 2}, {"multipleOf": 4}, "data: multipleOf 2 against 4"),
    ("narrower items", {"items": INT}, {"items": TEXT}, "data[]: bsonType int against string"),
    ("items where there were any", {"items": INT}, {}, "data[]: bsonType int against none"),
    ("a narrower field", object_of(a=INT), object_of(a=TEXT), "data.a: bsonType int against string"),
    ("a field less", object_of(False), object_of(False, a=INT), "data.a: not a field of both"),
    ("no other fields", object_of(False), object_of(), "data.*: not a field of both"),
    ("narrower other fields", object_of(INT), object_of(TEXT), "data.*: bsonType int against string"),
    (
        "a field inside a list's items",
        {"items": object_of(a=object_of(b=INT))},
        {"items": object_of(a=object_of(b=TEXT))},
        "data[].a.b: bsonType int against string",
    ),
    ("none of several", {"anyOf": [INT, NULL]}, TEXT, "data: none of the 2 alternatives accepts it"),
    ("not each alternative", INT, {"anyOf": [INT, TEXT]}, "data: bsonType int against string"),
]


@pytest.mark.parametrize(
    ("wide", "narrow", "difference"), [each[1:] for each in NARROWER], ids=[each[0] for each in NARROWER]
)
def test_what_a_schema_may_refuse_is_said_with_its_place(
    wide: dict[str, Any], narrow: dict[str, Any], difference: str
) -> None:
    assert differences(wide, narrow) == [difference]


def test_every_difference_is_said() -> None:
    wide, narrow = object_of(False, a=INT, b=INT), object_of(False, a=TEXT, b=INT, c=INT)

    assert differences(wide, narrow) == ["data.a: bsonType int against string", "data.c: not a field of both"]


numbers = st.integers(0, 3)
scalars = st.one_of(
    st.fixed_dictionaries({"bsonType": st.just("int")}, optional={"minimum": numbers, "maximum": numbers}),
    st.fixed_dictionaries({"bsonType": st.just("string")}, optional={"minLength": numbers, "maxLength": numbers}),
    st.fixed_dictionaries({"bsonType": st.just(["int", "null"])}),
    st.fixed_dictionaries({"enum": st.lists(st.sampled_from([0, 1, "a", None]), min_size=1)}),
    st.just({"not": {"bsonType": "null"}}),
    st.just({}),
)


def composite(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(["a", "b"])
    return st.one_of(
        st.fixed_dictionaries({"bsonType": st.just("array")}, optional={"items": inner, "minItems": numbers}),
        st.fixed_dictionaries(
            {"bsonType": st.just("object"), "properties": st.dictionaries(names, inner)},
            optional={
                "required": st.lists(names, min_size=1, unique=True),
                "additionalProperties": st.just(False) | inner,
                "minProperties": numbers,
            },
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)}),
    )


schemas = st.recursive(scalars, composite, max_leaves=4)
values: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, 0, 1, 2, 4, "", "a", "aaa"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=2),
    max_leaves=4,
)


def checks(schema: Any) -> Draft202012Validator:
    def translate(part: Any) -> Any:
        if isinstance(part, dict):
            return {"type" if key == "bsonType" else key: translate(value) for key, value in part.items()}
        if isinstance(part, list):
            return [translate(item) for item in part]
        return "integer" if part == "int" else part

    return Draft202012Validator(translate(schema))


@st.composite
def relatives(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema, and it again with something dropped or replaced: two independent ones are seldom comparable."""

    def changed(schema: dict[str, Any]) -> dict[str, Any]:
        fate = draw(st.integers(0, 9))
        if fate == 0:
            return draw(schemas)
        dropped = draw(st.sampled_from(sorted(schema))) if schema and fate < 4 else None
        return {key: inside(key, value) for key, value in schema.items() if key != dropped}

    def inside(keyword: str, value: Any) -> Any:
        match keyword, value:
            case "properties", _:
                return {name: changed(part) for name, part in value.items()}
            case (("items" | "additionalProperties"), dict()):
                return changed(value)
            case "anyOf", _:
                return [changed(part) for part in value]
            case _, int() if not isinstance(value, bool):
                return draw(numbers)
        return value

    one = draw(schemas)
    return one, changed(one)


@settings(max_examples=200, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(relatives(), st.lists(values, min_size=5))
def test_a_schema_without_differences_accepts_all_the_other_does(
    pair: tuple[dict[str, Any], dict[str, Any]], documents: list[Any]
) -> None:
    narrow, wide = pair
    assume(not differences(wide, narrow))

    narrow_checks, wide_checks = checks(narrow), checks(wide)

    for document in documents:
        assert wide_checks.is_valid(document) or not narrow_checks.is_valid(document)


@given(schemas)
def test_a_schema_has_no_differences_from_itself(schema: dict[str, Any]) -> None:
    assert differences(schema, schema) == []

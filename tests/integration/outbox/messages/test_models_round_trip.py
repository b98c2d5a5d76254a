"""Whatever model is put: the server takes it, a reader gets an equal one, and on Kafka it fits its JSON Schema."""

from __future__ import annotations

import enum
import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic import Field as PydanticField
from pymongo import MongoClient
from pymongo.errors import WriteError

from outbox import InvalidMessage, InvalidMessageClass, message
from outbox.messages.json_value import json_value
from outbox.messages.message_types import MessageTypes
from outbox.mongo.codec import DECODED

pytestmark = pytest.mark.oldest_server
Typed = tuple[Any, st.SearchStrategy[Any]]
"""A type, and values of it."""


class Suit(enum.Enum):
    HEARTS = "h"
    SPADES = 1


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="$\0"), max_size=4)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001  # bounds
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
decimals = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(-(10**16), 10**16), st.integers(-30, 10)
)
LEAVES: list[Typed] = [
    (str, texts),
    (int, st.integers(-(2**63), 2**63 - 1)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (Decimal, decimals),
    (datetime, moments),
    (uuid.UUID, st.uuids()),
    (bytes, st.binary(max_size=4)),
    (ObjectId, st.binary(min_size=12, max_size=12).map(ObjectId)),
    (Suit, st.sampled_from(Suit)),
    (Literal["a", 1, None], st.sampled_from(["a", 1, None])),
    (date, st.dates()),
    (time, st.times()),
]
numbered = itertools.count()


def model_of(fields: list[Typed]) -> Typed:
    settings = ConfigDict(arbitrary_types_allowed=True)
    made: Any = create_model(
        f"Model{next(numbered)}",
        __config__=settings,
        **{f"f{index}": (annotation, ...) for index, (annotation, _) in enumerate(fields)},
    )
    return made, st.builds(made, **{f"f{index}": strategy for index, (_, strategy) in enumerate(fields)})


def union_of(members: list[Typed]) -> Typed:
    annotation = members[0][0]
    for other, _ in members[1:]:
        annotation = annotation | other
    return annotation, st.one_of([strategy for _, strategy in members])


def containing(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        inner.map(lambda typed: (list[typed[0]], st.lists(typed[1], max_size=3))),
        inner.map(lambda typed: (tuple[typed[0], ...], st.lists(typed[1], max_size=3).map(tuple))),
        inner.map(lambda typed: (dict[str, typed[0]], st.dictionaries(names, typed[1], max_size=3))),
        inner.map(lambda typed: (typed[0] | None, st.none() | typed[1])),
        st.sampled_from(LEAVES).map(lambda typed: (set[typed[0]], st.sets(typed[1], max_size=3))),
        several.map(lambda each: (tuple[tuple(kind for kind, _ in each)], st.tuples(*(value for _, value in each)))),
        several.map(model_of),
        several.map(union_of),
    )


types = st.recursive(st.sampled_from(LEAVES), containing, max_leaves=5)


def kinds(value: Any) -> Any:
    """The types in a value, which equality does not see: 1, 1.0 and True are equal."""
    match value:
        case BaseModel():
            return type(value), [kinds(each) for each in vars(value).values()]
        case dict():
            return dict, {name: kinds(each) for name, each in value.items()}
        case list() | tuple():
            return type(value), [kinds(each) for each in value]
        case set():
            return set, {type(each) for each in value}
    return type(value)


@pytest.fixture(scope="module")
def collection(mongo: MongoClient[dict[str, Any]]) -> Iterator[Any]:
    database = mongo[f"test_{uuid.uuid4().hex}"]
    yield database.create_collection("models").with_options(DECODED)
    mongo.drop_database(database.name)


@given(fields=st.lists(types, min_size=1, max_size=3), drawn=st.data())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_reader_gets_an_equal_model(collection: Any, fields: list[Typed], drawn: Any) -> None:
    cls, values = model_of(fields)
    try:
        message_types = MessageTypes([message("any")(cls)])
    except InvalidMessageClass as error:
        assert "are stored alike" in str(error)  # noqa: PT017  # a union that a reader could not read
        return
    one: BaseModel = drawn.draw(values)

    encoded = RawBSONDocument(message_types.encode(one)[2])
    schema = message_types.schemas()["any"]
    collection.database.command(
        "collMod", collection.name, validator={"$jsonSchema": {"properties": {"data": schema}}}, codec_options=DECODED
    )
    id = collection.insert_one({"data": encoded}).inserted_id

    again = message_types.decode("any", collection.find_one(id)["data"])
    assert again == one
    assert kinds(again) == kinds(one)
    jsonschema.validate(json.loads(json_value(collection.find_one(id)["data"])), message_types.json_schemas()["any"])


small = st.integers(-4, 4)
few_decimals = st.sampled_from([Decimal(text) for text in ("-1", "0", "0.05", "0.10", "0.1", "1", "2.50", "3E+1")])
decimal_steps = few_decimals.filter(bool).map(abs)
few_floats = st.sampled_from([-0.5, 0.1, 0.3, 1.0, 2.0])
sizes = st.integers(0, 3)
patterns = st.sampled_from(["a", "^a$", "^[ab]+$", "b{1,2}", "(?:a|b)$", "^$", "[^a]", r"a\.?$"])
short_texts = st.text("ab.\n", max_size=4)
steps = st.sampled_from([1, 2, 3])


def bounds_of(limits: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(("ge", "gt", "le", "lt"), limits))


lengths = st.fixed_dictionaries({}, optional={"min_length": sizes, "max_length": sizes})
bounded = st.one_of(
    st.tuples(st.just(int), st.builds(dict, bounds_of(small)), small),
    st.tuples(st.just(int), st.fixed_dictionaries({"multiple_of": steps}), small),
    st.tuples(st.just(float), bounds_of(few_floats), few_floats),
    st.tuples(st.just(Decimal), bounds_of(few_decimals), few_decimals),
    st.tuples(st.just(Decimal), st.fixed_dictionaries({"multiple_of": decimal_steps}), few_decimals),
    st.tuples(st.just(str), lengths, short_texts),
    st.tuples(st.just(str), st.fixed_dictionaries({"pattern": patterns}), short_texts),
    st.tuples(st.just(list[int]), lengths, st.lists(small, max_size=4)),
    st.tuples(st.just(set[int]), lengths, st.sets(small, max_size=4)),
    st.tuples(st.just(dict[str, int]), lengths, st.dictionaries(st.sampled_from("abcd"), small, max_size=4)),
)  # fmt: skip


@given(bounded=bounded)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pydantic_put_and_the_server_draw_the_limits_in_the_same_place(collection: Any, bounded: Any) -> None:
    annotation, limits, value = bounded
    free: Any = message("free")(create_model("Free", f=(annotation, ...)))
    cls: Any = message("any")(create_model("Bounded", f=(Annotated[annotation, PydanticField(**limits)], ...)))
    schema = MessageTypes([cls]).schemas()["any"]
    collection.database.command(
        "collMod", collection.name, validator={"$jsonSchema": {"properties": {"data": schema}}}, codec_options=DECODED
    )

    by_server = takes(
        WriteError, collection.insert_one, {"data": RawBSONDocument(MessageTypes([free]).encode(free(f=value))[2])}
    )

    assert takes(InvalidMessage, MessageTypes([cls]).encode, cls.model_construct(f=value)) == by_server
    assert takes(ValidationError, cls.model_validate, {"f": value}) == by_server


def takes(refusal: type[Exception], what: Callable[[Any], object], value: Any) -> bool:
    try:
        what(value)
    except refusal:
        return False
    return True

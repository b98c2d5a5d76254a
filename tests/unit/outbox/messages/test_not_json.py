"""`put` refuses what JSON does not have, wherever in a message it is: a relay could only stop at it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import bson
import pytest
from bson import SON, Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import given
from hypothesis import strategies as st
from mongoengine import EmbeddedDocument, fields

from outbox import InvalidMessage, message
from outbox.messages.json_value import Unencodable, json_value
from outbox.messages.message_types import MessageTypes
from outbox.messages.not_json import not_json
from outbox.mongo.codec import DECODED

NAN, INFINITY = float("nan"), float("inf")


class Measured(float):
    """As of a library for numbers."""


class PricedLine(EmbeddedDocument):
    price = fields.FloatField()
    free = fields.DynamicField()


@message("priced")
class Priced(EmbeddedDocument):
    price = fields.FloatField()
    bounded = fields.FloatField(min_value=0, max_value=1)
    prices = fields.ListField(fields.FloatField())
    by_name = fields.MapField(fields.FloatField())
    free = fields.DynamicField()
    bag = fields.DictField()
    row = fields.ListField()
    line = fields.EmbeddedDocumentField(PricedLine)
    lines = fields.EmbeddedDocumentListField(PricedLine)
    any_line = fields.GenericEmbeddedDocumentField(choices=[PricedLine])
    point = fields.PointField()


@message("priced.loosely", strict=False)
class PricedLoosely(EmbeddedDocument):
    price = fields.FloatField()
    exact = fields.DecimalField()


TYPES = MessageTypes([Priced, PricedLoosely])

PLACES: list[tuple[str, dict[str, Any]]] = [
    ("price", {"price": NAN}),
    ("price", {"price": INFINITY}),
    ("price", {"price": -INFINITY}),
    ("price", {"price": Measured("nan")}),
    ("prices[1]", {"prices": [1.0, NAN]}),
    ("by_name.a", {"by_name": {"a": NAN}}),
    ("free", {"free": NAN}),
    ("free", {"free": Decimal128("NaN")}),
    ("free", {"free": Decimal128("-Infinity")}),
    ("free", {"free": Decimal128("sNaN")}),
    ("free.a[0].b", {"free": {"a": [{"b": NAN}]}}),
    ("bag.a.b", {"bag": {"a": {"b": INFINITY}}}),
    ("bag.a", {"bag": {"a": Decimal128("Infinity")}}),
    ("bag.a", {"bag": {"a": Timestamp(1, 1)}}),
    ("bag.a", {"bag": {"a": Regex("x")}}),
    ("bag.a", {"bag": {"a": re.compile("x")}}),
    ("bag.a", {"bag": {"a": Code("x")}}),
    ("bag.a", {"bag": {"a": MinKey()}}),
    ("bag.a", {"bag": {"a": MaxKey()}}),
    ("bag.a.$id", {"bag": {"a": DBRef("orders", NAN)}}),
    ("bag.a.deep", {"bag": {"a": DBRef("orders", 1, deep=NAN)}}),
    ("row[0][0]", {"row": [[NAN]]}),
    ("line.price", {"line": PricedLine(price=NAN)}),
    ("line.free[0]", {"line": PricedLine(free=[Decimal128("NaN")])}),
    ("lines[1].price", {"lines": [PricedLine(price=1.0), PricedLine(price=NAN)]}),
    ("any_line.price", {"any_line": PricedLine(price=NAN)}),
    ("point.coordinates[1]", {"point": [1.0, NAN]}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "values"), PLACES, ids=str)
def test_a_value_that_json_does_not_have_is_refused_with_its_path(path: str, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage, match=rf"^priced: {re.escape(path)} is .*, which JSON does not have"):
        TYPES.encode(Priced(**values))


@pytest.mark.parametrize("value", [NAN, INFINITY, "nan", "Infinity", Decimal("NaN")])
@pytest.mark.parametrize("name", ["price", "bounded"])
def test_however_a_float_field_is_given_it(name: str, value: object) -> None:
    assigned = Priced()
    setattr(assigned, name, value)

    for each in (assigned, Priced(**{name: value})):
        with pytest.raises(InvalidMessage, match=name):
            TYPES.encode(each)


@pytest.mark.parametrize("values", [{"price": NAN}, {"exact": Decimal("NaN")}], ids=str)
def test_a_class_that_is_not_strict_is_no_exception(values: dict[str, Any]) -> None:
    """To convert is one thing, to send what cannot be sent another."""
    with pytest.raises(InvalidMessage, match=next(iter(values))):
        TYPES.encode(PricedLoosely(**values))


finite = st.one_of(
    st.none(), st.booleans(), st.text(max_size=3), st.binary(max_size=3), st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(allow_nan=False, allow_infinity=False), st.just(ObjectId()), st.just(Decimal128("9.90")),
    st.uuids(), st.binary(max_size=3).map(lambda data: Binary(data, 128)),
)  # fmt: skip
anything = st.one_of(
    finite, st.floats(), st.binary(min_size=16, max_size=16).map(Decimal128.from_bid),
    st.sampled_from([Timestamp(1, 1), Regex("x"), Code("x"), MinKey(), MaxKey()]),
)  # fmt: skip
names = st.text("ab", min_size=1, max_size=2)
inside = st.recursive(
    anything,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(names, inner, max_size=3).map(SON),
        inner.map(lambda value: DBRef("orders", value)),
    ),
    max_leaves=6,
)


@given(data=st.dictionaries(names, inside, max_size=3))
def test_put_and_the_relay_agree_on_what_json_has(data: dict[str, Any]) -> None:
    try:
        json_value(bson.decode(bson.encode(data, codec_options=DECODED), codec_options=DECODED))
        sent = None
    except Unencodable as error:
        sent = str(error)

    found = not_json(data)

    assert (found is None) == (sent is None), (found, sent)
    assert found is None or sent is None or sent.startswith(f"data.{found.partition(' is ')[0]} is ")

"""Strategies for anything that a driver may write into a message's data."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal

from bson import Binary, Code, DBRef, Decimal128, MaxKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from hypothesis import strategies as st

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
DECIMALS = st.builds(
    lambda digits, exponent, sign: Decimal128(Decimal((sign, tuple(map(int, str(digits))), exponent))),
    st.integers(0, 10**34 - 1) | st.integers(0, 10**6),
    st.integers(-6176, 6111) | st.integers(-40, 10),
    st.integers(0, 1),
)
BSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text()
    | st.text(st.characters(max_codepoint=127))
    | st.binary(max_size=20)
    | st.uuids()
    | st.binary(min_size=12, max_size=12).map(ObjectId)
    | st.binary(min_size=16, max_size=16).map(Decimal128.from_bid)
    | st.integers(-(2**63), 2**63 - 1).map(DatetimeMS)
    | st.datetimes(timezones=st.just(UTC))
    | st.sampled_from([MaxKey(), Timestamp(1, 2), Regex("a"), Code("f()"), DBRef("a", 1), Binary(b"x", 128)]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=15,
)

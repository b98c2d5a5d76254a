"""A decimal is written bit by bit as pymongo writes it, or left to pymongo."""

from __future__ import annotations

from decimal import Decimal

import pytest
from bson import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from outbox.messages.decimals import decimal128

numbers = st.builds(
    lambda sign, digits, exponent: Decimal((sign, digits, exponent)),
    st.sampled_from([0, 1]),
    st.lists(st.integers(0, 9), min_size=1, max_size=34).map(tuple),
    st.one_of(st.integers(-6176, 6111), st.integers(-5, 5), st.sampled_from([-6176, 6111])),
)


@given(numbers)
def test_it_has_the_bits_that_pymongo_gives_it(number: Decimal) -> None:
    made = decimal128(number)

    assert made is not None
    assert made.bid == Decimal128(number).bid


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity", "1E-6177", "1E+6112", "1" * 35])
def test_what_has_no_such_form_is_left_to_pymongo(text: str) -> None:
    assert decimal128(Decimal(text)) is None

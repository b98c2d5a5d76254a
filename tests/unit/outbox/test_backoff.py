"""How long to wait between attempts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.backoff import FIRST_SECONDS, LONGEST_SECONDS, delay


def test_without_jitter_it_doubles_up_to_the_cap() -> None:
    longest = [delay(attempt, lambda: 1.0) for attempt in range(1, 10)]

    assert longest == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_it_is_never_zero_and_never_above_the_cap(attempt: int, chance: float) -> None:
    assert FIRST_SECONDS / 2 <= delay(attempt, lambda: chance) <= LONGEST_SECONDS


def test_jitter_takes_up_to_half() -> None:
    assert delay(1, lambda: 0.0) == FIRST_SECONDS / 2


def test_attempts_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        delay(0, lambda: 0.5)

"""Dates as text: the same wherever one is written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from outbox import dates
from outbox.cli import terminal
from outbox.messages.dialects import JSON

EDGES = [
    (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    (datetime(999, 12, 31, 23, 59, 59, 999_999, UTC), "0999-12-31T23:59:59.999Z"),
    (datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC), "1969-12-31T23:59:59.999Z"),
    (datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00.000Z"),
    (datetime(2024, 2, 29, 12, 30, 0, 400, UTC), "2024-02-29T12:30:00.000Z"),
    (datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC), "9999-12-31T23:59:59.999Z"),
]
BEYOND = [
    (8640000000000000, "+275760-09-13T00:00:00.000Z"),  # the last date JavaScript has
    (-62167219200001, "-000001-12-31T23:59:59.999Z"),
    (-62167219200000, "0000-01-01T00:00:00.000Z"),
    (-8640000000000000, "-271821-04-20T00:00:00.000Z"),
    (253402300799999, "9999-12-31T23:59:59.999Z"),
]


@pytest.mark.parametrize(("milliseconds", "text"), BEYOND)
def test_years_beyond_four_digits_are_written_as_javascript_does(milliseconds: int, text: str) -> None:
    assert dates.text(DatetimeMS(milliseconds)) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_both_ways_of_writing_a_date_agree(value: datetime) -> None:
    value = value.replace(microsecond=value.microsecond // 1000 * 1000)

    assert dates.text(value) == dates.text(DatetimeMS(value))


@pytest.mark.parametrize(("value", "text"), EDGES)
def test_the_terminal_and_a_schema_s_choices_write_a_date_in_the_same_way(value: datetime, text: str) -> None:
    assert dates.text(value) == terminal.text(value) == JSON.value(value) == text


@pytest.mark.parametrize(("milliseconds", "text"), BEYOND)
def test_so_they_do_a_date_that_python_cannot_hold(milliseconds: int, text: str) -> None:
    value = DatetimeMS(milliseconds)

    assert (terminal.text(value), JSON.value(value)) == (text, text)


@given(st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**12), 3 * 10**12))
def test_what_text_writes_is_read_back(milliseconds: int) -> None:
    assert dates.milliseconds_of(dates.text(DatetimeMS(milliseconds))) == milliseconds

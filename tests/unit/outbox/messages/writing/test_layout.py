"""The writer in C goes by a layout, and whatever happens while it does harms nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.messages.writing.layout import (
    BY_PYTHON,
    INT,
    LEFT,
    LEFT_OUT,
    LIST,
    NULL,
    TEXT,
    bounds,
    encoded,
    encoded_date,
    write,
)

WHOLE = (INT, (), None)


def one(layout: Any, none: int = LEFT) -> Any:
    return (("f", b"f", LEFT, none, layout),)


@pytest.mark.usefixtures("writer")
def test_a_list_that_changes_while_it_is_written_does_no_harm() -> None:
    values = [object() for _ in range(100)]

    def clear(value: object) -> bytes:
        values.clear()
        return b"\x0a"

    layout = (LIST, frozenset({list}), None, None, (BY_PYTHON, clear))
    assert bson.decode(write(one(layout), {"f": values}) or b"") == {"f": [None]}


@pytest.mark.usefixtures("writer")
def test_what_a_bound_or_a_function_raises_is_raised() -> None:
    def refuse(value: object) -> bytes:
        raise LookupError(value)

    with pytest.raises(LookupError, match="7"):
        write(one((BY_PYTHON, refuse)), {"f": 7})
    with pytest.raises(TypeError):
        write(one((INT, bounds(ge="a"), None)), {"f": 7})
    with pytest.raises(UnicodeEncodeError):
        write(one((TEXT, None, None, None)), {"f": "\ud800"})


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize(
    ("given_", "taken"),
    [
        ({"ge": 3}, [3, 4]),
        ({"gt": 3}, [4]),
        ({"le": 3}, [2, 3]),
        ({"lt": 3}, [2]),
        ({"ge": 3, "lt": 4}, [3]),
        ({"gt": None, "le": None}, [2, 3, 4]),
    ],
)
def test_a_number_is_within_all_of_its_bounds(given_: dict[str, Any], taken: list[int]) -> None:
    layout = one((INT, bounds(**given_), None))

    assert [value for value in (2, 3, 4) if write(layout, {"f": value}) is not None] == taken


@pytest.mark.usefixtures("writer")
def test_no_value_and_none_are_two_things() -> None:
    null, nothing = bson.encode({"f": None}), bson.encode({})

    assert write((("f", b"f", LEFT_OUT, NULL, WHOLE),), {}) == nothing
    assert write((("f", b"f", LEFT_OUT, NULL, WHOLE),), {"f": None}) == null
    assert write((("f", b"f", LEFT, LEFT_OUT, WHOLE),), {}) is None
    assert write((("f", b"f", LEFT, LEFT_OUT, WHOLE),), {"f": None}) == nothing
    assert write((("f", b"f", NULL, LEFT, WHOLE),), {"f": None}) is None


@given(st.datetimes(timezones=st.sampled_from([None, UTC, timezone(timedelta(0)), timezone(timedelta(hours=-9))])))
def test_a_date_is_encoded_as_the_driver_does_or_left_to_it(value: datetime) -> None:
    found = encoded_date(value)

    assert found in (None, encoded(value))
    assert (found is None) == bool(value.utcoffset())

"""The first place where two values differ: value and type count, and the way to it is named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Int64

from outbox.projections.differences import difference

NAN = float("nan")
DAY = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (5, Int64(5)), (NAN, float("nan")), ([1, [2]], [1, [2]]),
        (DAY, DAY), ("", ""), (None, None), ({"a": NAN}, {"a": float("nan")}),
    ],
)  # fmt: skip
def test_there_is_none(one: Any, other: Any) -> None:
    assert difference(one, other) is None


@pytest.mark.parametrize(
    ("one", "other", "path", "expected", "found"),
    [
        (1, 2, "", 1, 2),
        (1, 1.0, "", 1, 1.0),
        (1, True, "", 1, True),
        ((1,), [1], "", (1,), [1]),
        ({}, [], "", {}, []),
        (DAY, DAY.replace(tzinfo=None), "", DAY, DAY.replace(tzinfo=None)),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b.1", 2, 3),
        ({"a": 1}, {}, "a", 1, None),
        ({}, {"a": 1}, "a", None, 1),
        ([1, 2], [1], "1", 2, None),
        ([1], [1, 2], "1", None, 2),
        ({"b": 1, "a": 1}, {"a": 2, "b": 2}, "b", 1, 2),
        (None, {}, "", None, {}),
    ],
)
def test_it_is_named(one: Any, other: Any, path: str, expected: Any, found: Any) -> None:
    assert difference(one, other) == (path, expected, found)

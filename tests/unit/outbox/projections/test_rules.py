"""What a program says of its states: each begins anew, and is only kept if it would come back as it is."""

from __future__ import annotations

import enum
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId

from outbox.errors import InvalidProjection, InvalidState
from outbox.projections.rules import checked, rules
from tests.doubles.handlers import records

RECORD = records("a")[0][1]


class Colour(enum.StrEnum):
    RED = "red"


def fold(state: Any, record: Any) -> Any:
    return state


@pytest.mark.parametrize(
    "state",
    [
        {}, 0, "x", [], False, b"x", 1.5, {"a.b": 1, "$c": 2, "": 3}, 2**62, Int64(5), ObjectId(), Decimal128("1.10"),
        datetime(2025, 1, 1, tzinfo=UTC), {"deep": [{"a": [None]}]}, float("nan"),
    ],
)  # fmt: skip
def test_what_comes_back_as_it_is_is_a_state(state: Any) -> None:
    checked({"state": state})


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"a": {1}}, "BSON cannot hold it"),
        ({"a": Decimal("1.1")}, "BSON cannot hold it"),
        ({1: 2}, "BSON cannot hold it"),
        (2**64, "BSON cannot hold it"),
        ({"a": "\ud800"}, "BSON cannot hold it"),
        ({"a": object()}, "BSON cannot hold it"),
        ({"a": [(1, 2)]}, "at a.0 it has (1, 2) (a tuple)"),
        (Counter("a"), "it has Counter"),
        ({"a": defaultdict(int)}, "at a it has defaultdict"),
        ({"at": datetime(2025, 1, 1)}, "at at it has"),  # noqa: DTZ001  # what is tested
        ({"at": datetime(2025, 1, 1, 0, 0, 0, 7, tzinfo=UTC)}, "at at it has"),
        ({"a": Colour.RED}, "at a it has"),
        ({"a": re.compile("x")}, "at a it has"),
        ({"a": "x" * 17_000_000}, "it would take 17,000,"),
    ],
)
def test_what_would_come_back_as_another_is_none(state: Any, said: str) -> None:
    with pytest.raises(InvalidState) as raised:
        checked({"state": state})
    assert said in str(raised.value)


def test_a_state_that_holds_itself_is_none() -> None:
    state: dict[str, Any] = {}
    state["self"] = state

    with pytest.raises(InvalidState, match="BSON cannot hold it"):
        checked({"state": state})


def test_each_state_begins_with_one_of_its_own() -> None:
    shared: dict[str, Any] = {"items": []}
    made = rules("revenue", lambda: shared, fold, "key", 1)

    made.begin()["items"].append(1)

    assert made.begin() == {"items": []}
    assert shared == {"items": []}


@pytest.mark.parametrize(("given", "text"), [("a", "a"), (5, "5"), (None, None), (Colour.RED, "red"), ("", "")])
def test_what_a_function_returns_is_a_key(given: Any, text: str | None) -> None:
    assert rules("revenue", dict, fold, lambda _: given, 1).key(RECORD) == text


@pytest.mark.parametrize("given", [1.5, True, ["a"], b"a", datetime(2025, 1, 1, tzinfo=UTC)])
def test_what_is_no_key_is_refused(given: Any) -> None:
    with pytest.raises(InvalidState, match="by= returned"):
        rules("revenue", dict, fold, lambda _: given, 1).key(RECORD)


def test_none_is_no_state() -> None:
    with pytest.raises(InvalidState, match="it must return the state"):
        rules("revenue", dict, lambda *_: None, None, 1).fold({}, RECORD)
    with pytest.raises(InvalidProjection, match="must return the first state"):
        rules("revenue", lambda: None, fold, None, 1)


def test_a_coroutine_function_is_refused() -> None:
    async def later(state: Any, record: Any) -> Any:
        return state

    with pytest.raises(InvalidProjection, match="coroutine"):
        rules("revenue", dict, later, None, 1)


@pytest.mark.parametrize(
    "wrong",
    [{"apply": lambda state: state}, {"initial": lambda record: {}}, {"by": lambda: "a"}],
    ids=lambda each: next(iter(each)),
)
def test_a_function_of_other_arguments_is_refused(wrong: dict[str, Any]) -> None:
    given = {"initial": dict, "apply": fold, "by": None, **wrong}

    with pytest.raises(InvalidProjection, match=f"{next(iter(wrong))}=.*argument.*; give a function of"):
        rules("revenue", given["initial"], given["apply"], given["by"], 1)


def test_a_document_says_of_which_state_and_after_which_record() -> None:
    made = rules("revenue", dict, fold, "key", 3)

    document = made.document("a", {"total": 1}, RECORD)

    assert (document["_id"], document["version"], document["seq"], document["id"]) == ("revenue/a", 3, 1, RECORD.id)
    with pytest.raises(InvalidState, match="the state 'revenue/a': BSON cannot hold it"):
        made.document("a", {1}, RECORD)

"""Constraints: those that the server checks too, and in which words."""

from __future__ import annotations

import re
from typing import Annotated, Any

import annotated_types
import pytest
from pydantic import AfterValidator, Field, StringConstraints, conlist

from outbox.messages.dialects import BSON, JSON
from outbox.messages.models.constraints import Constraints, Pattern, converts
from tests.unit.outbox.messages.models.declared import model


def of(*metadata: Any) -> Constraints:
    return Constraints.of(metadata, rust=True)


def test_they_are_read_wherever_they_stand() -> None:
    assert of(Field(ge=1), annotated_types.Interval(ge=2, lt=5), annotated_types.Len(1, 3)) == Constraints(
        ge=2, lt=5, min_length=1, max_length=3
    )
    assert of(StringConstraints(max_length=2)).max_length == 2
    assert model(conlist(int, max_length=2)).model_fields["f"].metadata


@pytest.mark.parametrize(
    ("limits", "server", "people"),
    [
        (Constraints(ge=1, le=5), {"minimum": 1, "maximum": 5}, {"minimum": 1, "maximum": 5}),
        (
            Constraints(gt=1, lt=5),
            {"minimum": 1, "exclusiveMinimum": True, "maximum": 5, "exclusiveMaximum": True},
            {"exclusiveMinimum": 1, "exclusiveMaximum": 5},
        ),
        (Constraints(ge=2, gt=1), {"minimum": 2}, {"minimum": 2}),
        (Constraints(ge=1, gt=1), {"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        (Constraints(), {}, {}),
    ],
)
def test_a_bound_that_is_left_out_is_said_as_each_dialect_says_it(
    limits: Constraints, server: dict[str, Any], people: dict[str, Any]
) -> None:
    assert limits.bounds(BSON, int) == server
    assert limits.bounds(JSON, int) == people


@pytest.mark.parametrize(
    ("pattern", "server"),
    [("^[A-Z]+$", r"^[A-Z]+\z"), ("a[$]b$", r"a[$]b\z"), (r"a\$", r"a\$"), (re.compile("a$"), "a$")],
)
def test_a_pattern_that_all_read_alike_is_given_to_the_server_in_its_words(pattern: Any, server: str) -> None:
    made = Pattern.portable(pattern, rust=True)

    assert made is not None
    assert made.server == server


@pytest.mark.parametrize("pattern", [r"\d", "[a-z&&[^b]]", "[a-c--b]", re.compile("a", re.IGNORECASE), r"\p{L}"])
def test_a_pattern_that_others_read_otherwise_is_the_client_s_alone(pattern: Any) -> None:
    assert Pattern.portable(pattern, rust=True) is None


def test_a_line_break_at_the_end_is_no_match_to_rust_and_one_to_python() -> None:
    rust, python = Pattern.portable("a$", rust=True), Pattern.portable("a$", rust=False)

    assert rust is not None
    assert python is not None
    assert rust.python.search("a\n") is None
    assert python.python.search("a\n") is not None


def test_a_function_is_told_from_a_constraint() -> None:
    assert converts([AfterValidator(abs)])
    assert converts([Field(ge=1), Annotated[int, AfterValidator(abs)].__metadata__[0]])
    assert not converts([Field(ge=1), annotated_types.Ge(1), StringConstraints(max_length=1)])

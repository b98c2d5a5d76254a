"""What a client asks for is checked before anything is done."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from outbox.gateway import asked
from outbox.gateway.answers import Refusal


@pytest.mark.parametrize(
    ("given", "start"),
    [
        (None, "earliest"),
        ("latest", "latest"),
        (7, 7),
        ("7", 7),
        (7.0, 7),
        ("2025-01-31T12:00Z", datetime(2025, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_start_is_a_word_a_seq_or_a_date(given: object, start: object) -> None:
    assert asked.start(given) == start


@pytest.mark.parametrize("given", ["soon", True, 1.5, 0, 2**62 + 1, "0", [], "9" * 5000])
def test_another_start_is_refused(given: object) -> None:
    with pytest.raises(Refusal, match="start="):
        asked.start(given)


def test_types_are_a_list_or_names_with_commas() -> None:
    assert asked.types("a,b.c") == asked.types(["a", "b.c"]) == {"a", "b.c"}
    assert asked.types(None) is None


@pytest.mark.parametrize("given", ["", "a,,b", [], ["a b"], [1], {"a": 1}, ["a"] * 1001])
def test_other_types_are_refused(given: object) -> None:
    with pytest.raises(Refusal, match="types"):
        asked.types(given)


def test_types_of_a_body_are_a_list() -> None:
    assert asked.listed_types(["a"]) == {"a"}
    assert asked.listed_types(None) is None
    with pytest.raises(Refusal, match="a list"):
        asked.listed_types("a")


@pytest.mark.parametrize("given", [-1, True, 1.5, "1", None, 2**63])
def test_a_seq_is_a_whole_number(given: object) -> None:
    with pytest.raises(Refusal):
        asked.seq(given, "seq")


def test_a_count_may_be_any_whole_number() -> None:
    assert asked.count(2**63, "credits") == 2**63
    with pytest.raises(Refusal, match="credits=-1: a whole number from 0"):
        asked.count(-1, "credits")


def test_numbers_of_other_alphabets_are_none() -> None:
    with pytest.raises(Refusal):
        asked.whole("\u0661", "limit", 1, 1, 10)


def test_work_for_a_client_that_goes_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def main() -> None:
        with pytest.raises(asked.Gone):
            await asked.while_there(gone, work())
        assert cancelled.is_set()

    asyncio.run(main())

"""What readers and operators are given is checked at the call, and refused with what to give instead."""

from __future__ import annotations

import functools
import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from outbox import InvalidArgument, InvalidSelector
from outbox.arguments import check_count, check_function, check_seconds


async def coroutine(record: object) -> bool:
    return False


async def asynchronous_generator(record: object) -> AsyncIterator[int]:
    yield 1


def generator(record: object) -> Iterator[int]:
    yield 1


def plain(record: object) -> bool:
    return True


class Callables:
    """Ways to be called."""

    def __call__(self, record: object) -> bool:
        return True

    async def later(self, record: object) -> bool:
        return True


class Later:
    async def __call__(self, record: object) -> bool:
        return True


@pytest.mark.parametrize(
    "function",
    [plain, lambda record: True, Callables(), Callables, [].append, len, functools.partial(plain, 1)],
    ids=lambda each: type(each).__name__,
)
def test_whatever_does_its_work_when_it_is_called_is_taken(function: Callable[..., Any]) -> None:
    check_function("where", function, "a record")


@pytest.mark.parametrize("value", ["order.placed", 7, True, None, ["a"], {"a": 1}])
def test_what_cannot_be_called_is_refused(value: Any) -> None:
    with pytest.raises(InvalidSelector, match=r"where=.* cannot be called; give a function of a record"):
        check_function("where", value, "a record", InvalidSelector)


@pytest.mark.parametrize(
    "function",
    [
        coroutine,
        generator,
        asynchronous_generator,
        Callables().later,
        Later(),
        functools.partial(coroutine, 1),
        functools.partial(functools.partial(Later(), 1)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_would_only_make_a_coroutine_or_generator_is_refused(function: Callable[..., Any]) -> None:
    """As a predicate it would let everything pass, and as an effect do nothing, in silence."""
    with pytest.raises(InvalidArgument, match="give a plain function of a record"):
        check_function("effect", function, "a record")


@pytest.mark.parametrize("count", [0, -1, True, 1.0, "8", None])
def test_a_count_is_a_whole_number_from_1_on(count: Any) -> None:
    check_count("concurrency", 1)
    with pytest.raises(InvalidArgument, match=r"concurrency=.*: give a whole number from 1 on"):
        check_count("concurrency", count)


@pytest.mark.parametrize("seconds", [0, -0.1, math.nan, math.inf, 10**400, True, "1", None])
def test_seconds_are_a_number_above_0(seconds: Any) -> None:
    check_seconds("max_seconds", 0.001)
    check_seconds("max_seconds", 60)
    with pytest.raises(InvalidArgument, match=r"max_seconds=.*: give a number of seconds above 0"):
        check_seconds("max_seconds", seconds)

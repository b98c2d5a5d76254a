"""What readers and operators are given is checked at the call, and refused with what to give instead."""

from __future__ import annotations

import asyncio
import functools
import math
import multiprocessing
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from outbox import InvalidArgument, InvalidConsumer, InvalidSelector
from outbox.arguments import check_count, check_event, check_function, check_seconds, check_timeout


async def coroutine(record: object) -> bool:
    return False


async def asynchronous_generator(record: object) -> AsyncIterator[int]:
    yield 1


def generator(record: object) -> Iterator[int]:
    yield 1


def plain(record: object) -> bool:
    return True


def pair(first: object, second: object) -> bool:
    return True


class Callables:
    """Ways to be called."""

    def __call__(self, record: object) -> bool:
        return True

    def wide(self, one: object, two: object) -> bool:
        return True

    async def later(self, record: object) -> bool:
        return True


class Later:
    async def __call__(self, record: object) -> bool:
        return True


@pytest.mark.parametrize(
    "function",
    [plain, lambda record: True, Callables(), Callables().__call__, [].append, len, dict, functools.partial(pair, 1)],
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


@pytest.mark.parametrize("function", [lambda: None, pair, functools.partial(plain, 1), Callables, Callables().wide, id])
def test_what_cannot_be_called_with_what_it_will_be_given_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(InvalidArgument, match=r"effect=.*argument.*; give a function of this and that"):
        check_function("effect", function, "this and that", takes=2 if function is id else 1)


@pytest.mark.parametrize(("function", "takes"), [(dict, 0), (list, 0), (pair, 2), (print, 3), (Callables(), 1)])
def test_a_function_of_so_many_is_taken(function: Callable[..., Any], takes: int) -> None:
    check_function("apply", function, "this and that", takes=takes)


@pytest.mark.parametrize("event", [threading.Event(), multiprocessing.Event()])
def test_what_works_as_an_event_is_taken(event: object) -> None:
    check_event("stop", event, InvalidConsumer)


@pytest.mark.parametrize(
    "value", [True, False, 7, "x", lambda: True, threading.Event, asyncio.Event(), threading.Lock()]
)
def test_what_is_no_event_is_refused(value: object) -> None:
    with pytest.raises(InvalidConsumer, match=r"stop=.*: give a threading.Event\(\)"):
        check_event("stop", value, InvalidConsumer)


@pytest.mark.parametrize("value", [0, 0.0, 5, 1e-9, 3600.5, -0.1])
def test_a_timeout_is_a_number_of_seconds(value: float) -> None:
    check_timeout(value)


@pytest.mark.parametrize("value", [None, "5", math.nan, math.inf, True, [5], 1e300, 10**400])
def test_what_is_no_timeout_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"timeout=.*: give a number of seconds, such as"):
        check_timeout(value)

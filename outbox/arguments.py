"""Checks the functions and numbers that readers and operators are given: at the call, where the mistake is."""

from __future__ import annotations

import functools
import inspect
import threading
from typing import Any

from outbox.errors import InvalidArgument, OutboxError

MOST_SHARES = 256
"""Each reads the whole log, and is a connection to Kafka; there are that many partitions at most in good practice."""


def check_function(
    name: str, value: Any, of: str, error: type[OutboxError] = InvalidArgument, *, takes: int = 1
) -> None:
    """Raises `error` unless the value can be called with what it will be given, and does its work when it is.

    of: what it is to be given, for people. takes: how many arguments those are.
    """
    if not callable(value):
        raise error(f"{name}={value!r}: a {type(value).__name__} cannot be called; give a function of {of}")
    body = _body(value)
    if inspect.iscoroutinefunction(body) or inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
        raise error(f"{name}={value!r}: calling it only makes a coroutine or generator; give a plain function of {of}")
    check_takes(name, value, of, error, takes)


def check_takes(name: str, value: Any, of: str, error: type[OutboxError], takes: int) -> None:
    """Raises `error` when the value, which can be called, cannot be with so many arguments."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # some that are written in C do not tell
        return
    try:
        signature.bind(*[None] * takes)
    except TypeError as unfit:
        raise error(f"{name}={value!r}: {unfit}; give a function of {of}") from None


def check_event(name: str, value: Any, error: type[OutboxError]) -> None:
    """Raises `error` unless it is a threading.Event, or works as one, such as that of multiprocessing."""
    parts = [getattr(value, part, None) for part in ("is_set", "set", "wait")]
    if inspect.isclass(value) or not all(map(callable, parts)) or any(map(is_asynchronous, parts)):
        raise error(f"{name}={value!r}: give a threading.Event()")


def is_asynchronous(value: Any) -> bool:
    """Tells whether calling it makes a coroutine."""
    return inspect.iscoroutinefunction(_body(value))


def _body(value: Any) -> Any:
    while isinstance(value, functools.partial):
        value = value.func
    return value if inspect.isroutine(value) or inspect.isclass(value) else type(value).__call__


def check_count(name: str, value: Any) -> None:
    """Raises InvalidArgument unless it is a whole number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgument(f"{name}={value!r}: give a whole number from 1 on")


def check_timeout(value: Any) -> None:
    """Raises InvalidArgument unless it is a number of seconds that a wait may last; 0 or less: it looks once."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value <= threading.TIMEOUT_MAX:
        raise InvalidArgument(f"timeout={value!r}: give a number of seconds, such as 5.0")


def check_seconds(name: str, value: Any) -> None:
    """Raises InvalidArgument unless it is a number of seconds above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= threading.TIMEOUT_MAX:
        raise InvalidArgument(f"{name}={value!r}: give a number of seconds above 0, such as 0.5")

"""Checks the functions and numbers that readers and operators are given: at the call, where the mistake is."""

from __future__ import annotations

import functools
import inspect
import threading
from typing import Any

from outbox.errors import InvalidArgument, OutboxError


def check_function(name: str, value: Any, of: str, error: type[OutboxError] = InvalidArgument) -> None:
    """Raises `error` unless the value can be called, and does its work when it is; `of`: what it is to be given."""
    if not callable(value):
        raise error(f"{name}={value!r}: a {type(value).__name__} cannot be called; give a function of {of}")
    body = _body(value)
    if inspect.iscoroutinefunction(body) or inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
        raise error(f"{name}={value!r}: calling it only makes a coroutine or generator; give a plain function of {of}")


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


def check_seconds(name: str, value: Any) -> None:
    """Raises InvalidArgument unless it is a number of seconds above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= threading.TIMEOUT_MAX:
        raise InvalidArgument(f"{name}={value!r}: give a number of seconds above 0, such as 0.5")

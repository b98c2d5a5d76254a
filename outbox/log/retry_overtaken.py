"""Repeats a read of the log that the log's oldest end has overtaken."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pymongo.errors import OperationFailure

from outbox.mongo.patience import CALL_SECONDS

P = ParamSpec("P")
T = TypeVar("T")

_CAPPED_POSITION_LOST = 136


def retry_overtaken(function: Callable[P, T]) -> Callable[P, T]:
    """Repeats a function that reads the log, and does nothing else, while the server says CappedPositionLost.

    While a full log is written to, the document that a scan stands on may be rolled over. That says nothing about what
    was asked for, and the next try begins further on. Tries for 5 s, then raises the server's error.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        until = time.monotonic() + CALL_SECONDS
        while True:
            try:
                return function(*args, **kwargs)
            except OperationFailure as error:
                if error.code != _CAPPED_POSITION_LOST or time.monotonic() > until:
                    raise

    return wrapper

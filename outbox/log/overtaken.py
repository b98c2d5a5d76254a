"""A read of the log that the log's oldest end has overtaken is made again."""

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


def overtaken(function: Callable[P, T]) -> Callable[P, T]:
    """Repeats a function that reads the log, and does nothing else, while the server says CappedPositionLost.

    On a full log that is written to, what a scan stands on is rolled over under it: that says nothing of what was
    asked for, and the next try begins further on. It is tried for 5 s.
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

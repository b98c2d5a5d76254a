"""Marks where a stream reaches the head, and carries that through the operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from reactivex import Observable

from outbox.errors import InvalidArgument
from outbox.events import CaughtUp
from outbox.readers.observable import MarkedStream

T = TypeVar("T")


def caught_up() -> Callable[[Observable[T]], Observable[T | CaughtUp]]:
    """Marks where the stream reaches the head: a `CaughtUp(head)` comes between the items, behind all up to `head`.

    Once each time: when the backlog is through (at once if there is none), and again after each burst of new records.
    What `types`, `key` and `where` leave out counts as passed.

    It stands directly behind `observe(…)`, which knows the head, or behind operators of `outbox.operators`, which let a
    mark pass when they are done with all before it: the effects have ended, the batch was passed on. Others know
    nothing of marks, so that they come after it. Raises InvalidArgument behind anything else.
    """

    def mark(source: Observable[T]) -> Observable[T | CaughtUp]:
        if not isinstance(source, MarkedStream):
            raise InvalidArgument(
                f"caught_up() is behind a {type(source).__name__} that does not know where the head is: put it "
                "directly behind observe(…) or operators of outbox.operators, and other operators after it"
            )
        return source.marked()

    return mark


def passing_marks(operator: Callable[[Observable[Any]], Observable[Any]]) -> Callable[[Observable[Any]], Any]:
    """Lets `caught_up` stand behind an operator that passes a mark on when it is done with all before it."""

    def apply(source: Observable[Any]) -> Observable[Any]:
        if not isinstance(source, MarkedStream):
            return operator(source)
        return MarkedStream(lambda observer, marks: operator(source.marked() if marks else source).subscribe(observer))

    return apply

"""`caught_up`: where the stream reaches the head, told between its items, behind all that came before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as ops
from reactivex.disposable import Disposable

from outbox import InvalidArgument, Record
from outbox.events import CaughtUp
from outbox.operators import ack_after, batch, by_key, caught_up, of_type
from outbox.readers.observable import MarkedStream
from tests.doubles.records import record
from tests.waiting import wait_until


class Consumer:
    def ack(self, record: Record[Any]) -> None:
        """Takes note of nothing."""


def stream(*items: Record[Any] | CaughtUp) -> MarkedStream[Record[Any]]:
    """What `observe` returns, of these items."""

    def begin(observer: Any, marks: bool) -> Disposable:
        for each in items:
            if marks or not isinstance(each, CaughtUp):
                observer.on_next(each)
        observer.on_completed()
        return Disposable()

    return MarkedStream(begin)


ITEMS = (record(1, "a"), record(2, "b"), CaughtUp(2), record(3, "a"), CaughtUp(3))


def shown(items: list[Any]) -> list[Any]:
    return [[each.seq for each in item] if isinstance(item, list) else getattr(item, "seq", item) for item in items]


def test_without_it_nothing_is_marked() -> None:
    assert shown(stream(*ITEMS).pipe(ops.to_list()).run()) == [1, 2, 3]


def test_it_comes_behind_the_records() -> None:
    marked = stream(*ITEMS).pipe(caught_up())

    assert shown(marked.pipe(ops.to_list()).run()) == [1, 2, CaughtUp(2), 3, CaughtUp(3)]


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        ([of_type("order.placed")], [1, 2, CaughtUp(2), 3, CaughtUp(3)]),
        ([of_type("order.shipped")], [CaughtUp(2), CaughtUp(3)]),
        ([ack_after(Consumer(), lambda each: None)], [1, 2, CaughtUp(2), 3, CaughtUp(3)]),
        ([by_key(1, lambda each: None)], [1, 2, CaughtUp(2), 3, CaughtUp(3)]),
        ([batch(100, 3600)], [[1, 2], CaughtUp(2), [3], CaughtUp(3)]),
        ([batch(2, 3600)], [[1, 2], CaughtUp(2), [3], CaughtUp(3)]),
        (
            [of_type("order.placed"), by_key(1, lambda each: None), batch(2, 3600)],
            [[1, 2], CaughtUp(2), [3], CaughtUp(3)],
        ),
    ],
    ids=["of_type", "of_type, none", "ack_after", "by_key", "batch", "batch, full", "three"],
)
def test_it_stands_behind_the_operators_that_pass_marks(operators: list[Any], expected: list[Any]) -> None:
    behind: Observable[Any] = stream(*ITEMS).pipe(*operators, caught_up(), ops.to_list())  # type: ignore[call-overload]  # a list of them
    before: Observable[Any] = stream(*ITEMS).pipe(caught_up(), *operators, ops.to_list())  # type: ignore[call-overload]  # as above

    assert shown(behind.run()) == expected
    assert shown(before.run()) == expected, "which is the same the other way round"


def test_behind_by_key_it_waits_for_the_effects() -> None:
    go = threading.Event()
    seen: list[Any] = []
    feeder = threading.Thread(
        target=lambda: stream(*ITEMS).pipe(by_key(2, lambda each: go.wait(30)), caught_up()).subscribe(seen.append),
        name="outbox-test-feeder",
        daemon=True,
    )
    feeder.start()
    feeder.join(0.1)
    assert seen == []
    go.set()

    wait_until(lambda: len(seen) == 5, 30, "all of it")
    assert sorted(shown(seen[:2])) == [1, 2]
    assert shown(seen[2:]) == [CaughtUp(2), 3, CaughtUp(3)]


@pytest.mark.parametrize(
    "source",
    [
        lambda: reactivex.of(record(1)),
        lambda: stream(*ITEMS).pipe(ops.filter(lambda each: True)),
        lambda: stream(*ITEMS).pipe(caught_up()),
    ],
    ids=["of", "filter", "twice"],
)
def test_it_is_refused_behind_what_does_not_know_the_head(source: Callable[[], Observable[Any]]) -> None:
    with pytest.raises(InvalidArgument, match="directly behind observe"):
        source().pipe(caught_up())

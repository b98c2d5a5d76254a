"""What docs/streams.md says of RxPY's own operators: why there are others. Goes red when RxPY mends it; then say so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from reactivex import Observable
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler
from reactivex.subject import Subject

from outbox.operators import batch
from tests.waiting import wait_until

Gather = Callable[[Observable[int], Observable[int]], Observable[list[int]]]


def _buffer(source: Observable[int], ticks: Observable[int]) -> Observable[list[int]]:
    return source.pipe(ops.buffer(ticks))


def _window(source: Observable[int], ticks: Observable[int]) -> Observable[list[int]]:
    windows: Observable[Observable[int]] = source.pipe(ops.window(ticks))
    return windows.pipe(ops.flat_map(_listed))


def _listed(window: Observable[int]) -> Observable[list[int]]:
    return window.pipe(ops.to_list())


def _batch(source: Observable[int], ticks: Observable[int]) -> Observable[list[int]]:
    return source.pipe(batch(100, 0.001))


def _gathered(gather: Gather) -> list[int]:
    """What a subscriber gets of 1, 2 and 3 when 2 comes while it works, on the timer's thread, on the list with 1."""
    source, ticks, working, go = Subject[int](), Subject[int](), threading.Event(), threading.Event()
    lists: list[list[int]] = []

    def on_next(each: list[int]) -> None:
        lists.append(each)
        working.set()
        go.wait(30)

    gather(source, ticks).subscribe(on_next)
    source.on_next(1)
    timer = threading.Thread(target=ticks.on_next, args=(0,), name="outbox-test-timer", daemon=True)
    timer.start()
    assert working.wait(30)
    feeder = threading.Thread(target=source.on_next, args=(2,), name="outbox-test-feeder", daemon=True)
    feeder.start()
    feeder.join(0.2)  # RxPY's takes it, and drops it; ours has the source wait
    go.set()
    feeder.join(30)
    timer.join(30)
    source.on_next(3)
    source.on_completed()
    return [n for each in lists for n in each]


@pytest.mark.parametrize("gather", [_buffer, _window])
def test_buffer_and_window_lose_what_comes_while_their_list_is_worked_on(gather: Gather) -> None:
    assert _gathered(gather) == [1, 3]


def test_batch_loses_nothing_then() -> None:
    assert _gathered(_batch) == [1, 2, 3]


def test_observe_on_gathers_whatever_comes() -> None:
    """There is no back-pressure: the source goes on while the subscriber is busy with the first item."""
    source, go, seen = Subject[int](), threading.Event(), list[int]()
    scheduler = EventLoopScheduler()

    def on_next(n: int) -> None:
        seen.append(n)
        go.wait(30)

    source.pipe(ops.observe_on(scheduler)).subscribe(on_next)
    for n in range(10_000):
        source.on_next(n)

    assert len(seen) <= 1
    go.set()
    wait_until(lambda: len(seen) == 10_000, 30, "all of them")
    scheduler.dispose()


def test_what_is_raised_on_the_thread_of_an_rxpy_timer_is_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    source, errors = Subject[int](), list[Exception]()

    def on_next(each: list[int]) -> None:
        if each:
            raise ValueError("the subscriber's own")

    subscription = source.pipe(ops.buffer_with_time_or_count(0.01, 100)).subscribe(on_next, errors.append)
    source.on_next(1)

    wait_until(lambda: died, 30, "the thread to die")
    assert errors == []
    subscription.dispose()

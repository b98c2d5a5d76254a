"""`batch`: lists by number and by age, bounded, in order, and none lost or doubled between two threads."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from outbox import InvalidArgument
from outbox.operators import batch
from outbox.operators.batches import Batches
from outbox.testing import FakeClock
from tests.waiting import wait_until

HOUR = 3600


class Seen:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.lists: list[list[int]] = []
        self.errors: list[Exception] = []
        self.completed = 0

    def on_next(self, each: list[int]) -> None:
        self.lists.append(each)

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)

    def on_completed(self) -> None:
        self.completed += 1


def fed(max_count: int, max_seconds: float) -> tuple[Subject[int], Seen, Any]:
    source, seen = Subject[int](), Seen()
    subscription = source.pipe(batch(max_count, max_seconds)).subscribe(seen.on_next, seen.on_error, seen.on_completed)
    return source, seen, subscription


def timers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "outbox-batch-timer"]


def test_a_full_list_is_passed_on_at_once_by_the_source_s_thread() -> None:
    threads = []
    reactivex.range(6).pipe(batch(3, HOUR)).subscribe(lambda each: threads.append((each, threading.get_ident())))

    assert threads == [([0, 1, 2], threading.get_ident()), ([3, 4, 5], threading.get_ident())]


def test_what_is_left_comes_at_completion() -> None:
    source, seen, _ = fed(3, HOUR)
    for n in range(5):
        source.on_next(n)
    assert (seen.lists, seen.completed) == ([[0, 1, 2]], 0)
    source.on_completed()

    assert (seen.lists, seen.completed) == ([[0, 1, 2], [3, 4]], 1)
    wait_until(lambda: timers() == [], 30, "the timer to end")


def test_no_list_is_empty() -> None:
    source, seen, _ = fed(2, HOUR)
    source.on_completed()

    assert (seen.lists, seen.completed) == ([], 1)


def test_what_is_left_comes_before_an_error_of_the_source() -> None:
    source, seen, _ = fed(3, HOUR)
    source.on_next(1)
    source.on_error(ValueError("the source's own"))

    assert (seen.lists, [str(each) for each in seen.errors], seen.completed) == ([[1]], ["the source's own"], 0)
    wait_until(lambda: timers() == [], 30, "the timer to end")


def test_a_list_is_passed_on_when_its_oldest_item_is_as_old() -> None:
    source, seen, subscription = fed(100, 0.2)
    began = time.monotonic()
    source.on_next(1)
    source.on_next(2)

    wait_until(lambda: seen.lists == [[1, 2]], 30, "the list")
    assert time.monotonic() - began >= 0.2
    source.on_next(3)
    wait_until(lambda: seen.lists == [[1, 2], [3]], 30, "the next")
    subscription.dispose()


def test_the_age_counts_from_the_list_s_own_first_item() -> None:
    """Goes red when the timer of a list that was full long before closes the next one."""
    clock, seen = FakeClock(), Seen()
    batches = Batches(_observer(seen), Disposable(), 2, 10.0, clock)
    batches._has_timer = True  # the test is the timer
    batches.on_next(1)
    clock.advance(9)
    batches.on_next(2)
    batches.on_next(3)
    clock.advance(9)
    assert batches._step() == 1.0
    assert seen.lists == [[1, 2]]
    clock.advance(1)

    assert batches._step() is None
    assert seen.lists == [[1, 2], [3]]


def _observer(seen: Seen) -> Any:
    return seen


def test_a_timer_lives_only_while_a_list_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outbox.operators.batches._LOOK_SECONDS", 0.01)
    source, seen, subscription = fed(2, HOUR)
    assert timers() == []
    source.on_next(1)
    assert len(timers()) == 1
    source.on_next(2)
    wait_until(lambda: timers() == [], 30, "the timer to end")
    source.on_next(3)
    wait_until(lambda: len(timers()) == 1, 30, "a new one")

    subscription.dispose()
    wait_until(lambda: timers() == [], 30, "the timer to end")
    assert seen.lists == [[1, 2]]


class Looking(FakeClock):
    """Says that the timer waits, and has it wait until it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        self.waits.set()
        return stop is not None and stop.wait(30)


def test_lists_that_follow_each_other_share_a_timer() -> None:
    clock = Looking()
    batches = Batches(_observer(Seen()), Disposable(), 2, HOUR, clock)
    batches.on_next(0)
    assert clock.waits.wait(30)
    first = timers()
    for n in range(100):
        batches.on_next(n)
    after = timers()
    batches.dispose()

    assert after == first


def test_a_disposed_subscription_is_told_nothing_and_drops_what_it_has() -> None:
    source, seen, subscription = fed(3, HOUR)
    source.on_next(1)
    subscription.dispose()
    source.on_next(2)
    source.on_completed()

    assert (seen.lists, seen.completed, source.observers) == ([], 0, [])
    wait_until(lambda: timers() == [], 30, "the timer to end")


def test_dispose_does_not_wait_for_the_subscriber() -> None:
    busy, go = threading.Event(), threading.Event()

    def on_next(each: list[int]) -> None:
        busy.set()
        go.wait(30)

    source = Subject[int]()
    subscription = source.pipe(batch(10, 0.001)).subscribe(on_next)
    source.on_next(1)
    assert busy.wait(30)
    subscription.dispose()  # hangs when it takes the lock

    assert not go.is_set()
    go.set()


def test_while_the_timer_s_list_is_worked_on_the_source_waits() -> None:
    """Else a slow subscriber would have lists pile up, or come two at a time."""
    busy, go, taken = threading.Event(), threading.Event(), threading.Event()
    lists = []

    def on_next(each: list[int]) -> None:
        lists.append(each)
        busy.set()
        go.wait(30)

    source = Subject[int]()
    subscription = source.pipe(batch(10, 0.001)).subscribe(on_next)
    source.on_next(1)
    assert busy.wait(30)

    def feed() -> None:
        source.on_next(2)
        taken.set()

    feeder = threading.Thread(target=feed, name="outbox-test-feeder", daemon=True)
    feeder.start()
    assert not taken.wait(0.1)
    go.set()

    assert taken.wait(30)
    wait_until(lambda: lists == [[1], [2]], 30, "the second list")
    subscription.dispose()


@pytest.mark.parametrize("error", [ValueError("the subscriber's own"), SystemExit(3)], ids=["error", "exit"])
def test_what_a_subscriber_raises_on_the_timer_s_thread_goes_to_on_error(error: BaseException) -> None:
    errors: list[BaseException] = []

    def on_next(each: list[int]) -> None:
        raise error

    source = Subject[int]()
    source.pipe(batch(10, 0.001)).subscribe(on_next, errors.append)
    source.on_next(1)

    wait_until(lambda: errors == [error], 30, "the error")
    wait_until(lambda: source.observers == [], 30, "the source to be left")
    wait_until(lambda: timers() == [], 30, "the timer to end")


def test_an_error_on_the_timer_s_thread_that_nobody_handles_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def on_next(each: list[int]) -> None:
        raise ValueError("the subscriber's own")

    source = Subject[int]()
    with caplog.at_level(logging.ERROR, "outbox"):
        source.pipe(batch(10, 0.001)).subscribe(on_next)
        source.on_next(1)
        wait_until(lambda: "has no on_error" in caplog.text, 30, "the log's line")


def test_what_a_subscriber_raises_on_the_source_s_thread_comes_back_to_the_source() -> None:
    source = Subject[int]()

    def on_next(each: list[int]) -> None:
        raise ValueError("the subscriber's own")

    source.pipe(batch(1, HOUR)).subscribe(on_next)

    with pytest.raises(ValueError, match="the subscriber's own"):
        source.on_next(1)


def test_a_subscriber_may_end_the_stream_on_either_thread() -> None:
    source, seen = Subject[int](), Seen()
    source.pipe(batch(10, 0.001), ops.take(1)).subscribe(seen.on_next, seen.on_error, seen.on_completed)
    source.on_next(1)
    wait_until(lambda: seen.completed == 1, 30, "completion by the timer")

    assert reactivex.range(10).pipe(batch(2, HOUR), ops.take(2), ops.to_list()).run() == [[0, 1], [2, 3]]
    wait_until(lambda: timers() == [], 30, "the timers to end")


@pytest.fixture
def often_switched() -> Iterator[None]:
    """Has the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@settings(max_examples=25)
@given(
    count=st.integers(0, 3000),
    max_count=st.integers(1, 50),
    max_seconds=st.sampled_from([1e-6, 1e-4, 1e-3, HOUR]),
)
def test_no_item_is_lost_or_doubled_between_the_source_and_the_timer(
    count: int, max_count: int, max_seconds: float
) -> None:
    lists = reactivex.range(count).pipe(batch(max_count, max_seconds), ops.to_list()).run()

    assert [n for each in lists for n in each] == list(range(count))
    assert all(1 <= len(each) <= max_count for each in lists)


def test_many_threads_that_feed_it_at_once_lose_nothing(often_switched: None) -> None:
    source, seen, _ = fed(7, 1e-4)

    def feed(first: int) -> None:
        for n in range(first, first + 2000):
            source.on_next(n)

    feeders = [threading.Thread(target=feed, args=(first,)) for first in range(0, 16000, 2000)]
    for each in feeders:
        each.start()
    for each in feeders:
        each.join(60)
    source.on_completed()

    assert sorted(n for each in seen.lists for n in each) == list(range(16000))
    assert max(map(len, seen.lists)) <= 7
    assert (seen.errors, seen.completed) == ([], 1)


@pytest.mark.parametrize(("count", "seconds"), [(0, 1), ("5", 1), (True, 1), (5, 0), (5, -1), (5, None), (5, "1")])
def test_a_bad_argument_is_refused_at_the_call(count: Any, seconds: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"max_(count|seconds)="):
        batch(count, seconds)

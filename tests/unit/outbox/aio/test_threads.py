"""Blocking calls of coroutines: on threads, to the end, whatever becomes of who waits."""

from __future__ import annotations

import asyncio
import threading

import pytest

from outbox.aio.threads import Threads
from tests.waiting import wait_until


def test_a_coroutine_gets_what_the_call_returns_or_raises() -> None:
    async def work() -> None:
        threads = Threads(2, "calls")
        assert await threads.call(lambda: threading.current_thread().name) == "calls_0"
        assert await threads.call(lambda: None) is None
        with pytest.raises(KeyError):
            await threads.call(lambda: {}["no"])
        with pytest.raises(SystemExit):
            await threads.call(lambda: exec("raise SystemExit"))  # noqa: S102  # an expression that raises it

    asyncio.run(work())


def test_a_cancelled_caller_goes_on_at_once_and_the_call_ends_by_itself() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        go_on.wait(30)
        done.set()

    async def work() -> None:
        threads = Threads(1, "calls")
        caller = asyncio.ensure_future(threads.call(call))
        while not begun.is_set():
            await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert not done.is_set()
        go_on.set()
        assert await threads.call(lambda: 1) == 1

    asyncio.run(work())

    assert done.is_set()


def test_a_call_outlives_its_loop_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    go_on, done = threading.Event(), threading.Event()

    def call() -> None:
        go_on.wait(30)

    async def work() -> Threads:
        threads = Threads(1, "calls")
        threads.begin(call)
        return threads

    threads = asyncio.run(work())
    go_on.set()

    async def after() -> None:
        await threads.call(done.set)

    asyncio.run(after())
    wait_until(done.is_set, 30, "the thread to work on")
    assert caplog.records == []


def test_no_more_threads_work_than_were_asked_for() -> None:
    inside, most = 0, 0
    lock = threading.Lock()
    all_in = threading.Barrier(3)

    def call() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        all_in.wait(30)
        with lock:
            inside -= 1

    async def work() -> None:
        threads = Threads(3, "calls")
        await asyncio.gather(*(threads.call(call) for _ in range(9)))

    asyncio.run(work())

    assert most == 3

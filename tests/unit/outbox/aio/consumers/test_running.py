"""What blocks runs on a thread, and ends with the coroutine that waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from outbox.aio.consumers.handlers import HandlerCancelled
from outbox.aio.consumers.running import check_stop, run_on_thread
from outbox.errors import InvalidConsumer


def test_it_gives_what_the_work_returns_or_raises() -> None:
    def failing(stop: threading.Event) -> None:
        raise ZeroDivisionError

    def cancelled(stop: threading.Event) -> int:
        raise HandlerCancelled

    assert asyncio.run(run_on_thread(lambda stop: stop.is_set(), "test")) is False
    assert asyncio.run(run_on_thread(cancelled, "test")) is None
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_on_thread(failing, "test"))


def test_a_stop_iteration_is_raised_as_what_a_coroutine_can_raise() -> None:
    def failing(stop: threading.Event) -> None:
        raise StopIteration

    async def work() -> None:
        await asyncio.wait_for(run_on_thread(failing, "test"), 30)

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(work())


def test_the_work_is_stopped_by_the_event_that_was_given() -> None:
    async def work() -> bool | None:
        stop = asyncio.Event()
        running = asyncio.ensure_future(run_on_thread(lambda stopping: stopping.wait(60), "test", stop))
        await asyncio.sleep(0)
        stop.set()
        return await running

    assert asyncio.run(work()) is True


def test_a_cancelled_one_stops_the_work_and_cancels_what_it_waits_for() -> None:
    stopped, cancelled = threading.Event(), []

    def wait(stopping: threading.Event) -> None:
        if stopping.wait(60):
            stopped.set()

    async def work() -> None:
        running = asyncio.ensure_future(run_on_thread(wait, "test", cancel=lambda: cancelled.append(True)))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(work())

    assert stopped.wait(60)
    assert cancelled == [True]


@pytest.mark.parametrize("stop", [True, threading.Event(), asyncio.Event])
def test_another_event_is_refused(stop: object) -> None:
    with pytest.raises(InvalidConsumer, match=r"asyncio\.Event"):
        check_stop(stop, InvalidConsumer)

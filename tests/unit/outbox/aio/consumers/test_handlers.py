"""Handlers run as tasks of a loop, and the threads that wait for them hear of every end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from outbox.aio.consumers.handlers import HandlerCancelled, Handlers, LoopStop


async def _seven() -> int:
    await asyncio.sleep(0)
    return 7


async def _failing() -> int:
    raise TimeoutError("its own")


async def _cancelling() -> int:
    raise asyncio.CancelledError


def _run(work: Callable[[], Awaitable[int]]) -> int:
    async def run() -> int:
        handlers = Handlers()
        return await asyncio.to_thread(handlers.run, work)

    return asyncio.run(run())


def test_a_thread_gets_what_the_handler_returns_or_raises() -> None:
    assert _run(_seven) == 7
    with pytest.raises(TimeoutError, match="its own"):
        _run(_failing)


def test_a_handler_that_cancels_itself_has_failed() -> None:
    with pytest.raises(RuntimeError, match="was cancelled"):
        _run(_cancelling)


def _is_cancelled(handlers: Handlers, work: Callable[[], Awaitable[int]]) -> bool:
    try:
        handlers.run(work)
    except HandlerCancelled:
        return True
    return False


def test_the_end_of_the_run_cancels_what_runs_and_what_would_begin() -> None:
    async def run() -> None:
        handlers, begun = Handlers(), asyncio.Event()

        async def hang() -> int:
            begun.set()
            await asyncio.sleep(3600)
            return 1

        waiting = asyncio.ensure_future(asyncio.to_thread(_is_cancelled, handlers, hang))
        await begun.wait()
        handlers.cancel()
        assert await waiting
        assert await asyncio.to_thread(_is_cancelled, handlers, _seven)

    asyncio.run(run())


def test_a_closed_loop_ends_the_wait() -> None:
    kept: list[Handlers] = []

    async def run() -> None:
        kept.append(Handlers())

    asyncio.run(run())

    with pytest.raises(HandlerCancelled):
        kept[0].run(_seven)
    assert LoopStop(kept[0].loop).is_set()

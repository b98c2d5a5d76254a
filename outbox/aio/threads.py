"""Calls blocking functions for coroutines, on a few threads that end when there is nothing to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from outbox.threads.workers import Workers

T = TypeVar("T")


class Threads:
    """Calls functions on at most so many threads; may be used by several event loops. Thread-safe.

    A call that has begun is not interrupted. Its caller may be cancelled, and its loop closed, meanwhile.
    """

    def __init__(self, most: int, name: str) -> None:
        self._workers = Workers(most, name)

    def begin(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Has it called, and returns the future of what it returns or raises. For the loop that is running."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        future.add_done_callback(_seen)

        def do() -> None:
            result: T | None = None
            error: BaseException | None = None
            try:
                result = call()
            except BaseException as raised:  # noqa: BLE001  # the future raises it
                error = raised
            hand_over(loop, lambda: _settle(future, result, error))

        self._workers.submit(do)
        return future

    async def call(self, call: Callable[[], T]) -> T:
        """Calls it, and returns what it returns. Raises what it raises."""
        return await self.begin(call)

    def end(self) -> None:
        """Ends the threads once they have done what they were given. Does not wait."""
        self._workers.shutdown(wait=False)


def hand_over(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> bool:
    """Has the loop call it soon. False when it is closed: nobody waits there any more. Thread-safe."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        if not loop.is_closed():
            raise
        return False
    return True


def _settle(future: asyncio.Future[T], result: T | None, error: BaseException | None) -> None:
    if future.done():  # who waited was cancelled
        return
    if error is None:
        future.set_result(result)  # type: ignore[arg-type]  # what the call returned, None included
    else:
        future.set_exception(error)


def _seen(future: asyncio.Future[T]) -> None:
    """Counts its error as seen: nobody may be left that asks for it."""
    if not future.cancelled():
        future.exception()

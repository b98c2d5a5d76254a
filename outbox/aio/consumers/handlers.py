"""Runs handlers as tasks of an event loop, for the threads that deliver to them."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from outbox.aio.threads import hand_over
from outbox.mongo.pymongo_internals import no_bound_async_session

T = TypeVar("T")

_LOOK_SECONDS = 0.5
"""So often a thread that waits for a handler looks whether its loop still is."""


is_handling: contextvars.ContextVar[object] = contextvars.ContextVar("is_handling", default=None)
"""For whom the task that runs is a handler: the `owner` of its Handlers."""


class HandlerCancelled(KeyboardInterrupt):
    """A handler was cancelled because its consumer ends. Ends the thread as Ctrl-C would: what came before is saved."""


class Handlers:
    """The tasks of one run. Made in the loop and the context in which handlers are to run; used by threads."""

    def __init__(self, owner: object = None) -> None:
        """owner: the outbox whose messages they handle."""
        self.loop = asyncio.get_running_loop()
        with no_bound_async_session():  # what a handler writes is its own affair, not part of the caller's transaction
            self._context = contextvars.copy_context()
        self._context.run(is_handling.set, owner)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_cancelled = False

    def begin(
        self,
        work: Callable[[], Awaitable[T]],
        ended: Callable[[T | None, BaseException | None], None],
        *,
        also_when_cancelled: bool = False,
    ) -> None:
        """Begins a task; `ended` is told of its result or its error, in the loop."""

        def start() -> None:
            if self._is_cancelled and not also_when_cancelled:
                ended(None, HandlerCancelled())
                return
            task = self.loop.create_task(_awaited(work), context=self._context.copy())
            self._tasks.add(task)
            task.add_done_callback(done)

        def done(task: asyncio.Task[T]) -> None:
            self._tasks.discard(task)
            if not task.cancelled():
                error = task.exception()
                ended(None if error is not None else task.result(), error)
            elif self._is_cancelled:
                ended(None, HandlerCancelled())
            else:
                ended(None, RuntimeError("the handler was cancelled, and not by the end of its consumer"))

        if not hand_over(self.loop, start):
            ended(None, HandlerCancelled())

    def run(self, work: Callable[[], Awaitable[T]], *, also_when_cancelled: bool = False) -> T:
        """Runs a task, and waits for it, on a thread. Raises what it raises, and HandlerCancelled."""
        future: Future[T] = Future()

        def ended(result: T | None, error: BaseException | None) -> None:
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # what the task returned, None included

        self.begin(work, ended, also_when_cancelled=also_when_cancelled)
        while True:
            try:
                return future.result(_LOOK_SECONDS)
            except TimeoutError:
                if future.done():  # the handler's own
                    raise
                if self.loop.is_closed():
                    raise HandlerCancelled from None

    def cancel(self) -> None:
        """Cancels all tasks, and whatever would begin. In the loop."""
        self._is_cancelled = True
        for task in list(self._tasks):
            task.cancel()


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


class LoopStop(threading.Event):
    """A stop that is set, too, once the loop is closed: nobody could be handed anything there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def is_set(self) -> bool:
        return super().is_set() or self._loop.is_closed()


Handle = Callable[[Any], Coroutine[Any, Any, object]]

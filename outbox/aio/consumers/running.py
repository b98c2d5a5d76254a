"""Runs on a thread of its own, for a coroutine that waits for it, what blocks until it is stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from outbox.aio.consumers.handlers import HandlerCancelled, LoopStop
from outbox.aio.threads import hand_over
from outbox.errors import OutboxError
from outbox.mongo.calls import outside_bound_session

T = TypeVar("T")

CANCEL_SECONDS = 0.2
"""So long a coroutine that was cancelled waits for its thread, which saves the position and gives the lease back."""


async def run_on_thread(
    work: Callable[[threading.Event], T],
    name: str,
    stop: asyncio.Event | None = None,
    cancel: Callable[[], object] = lambda: None,
) -> T | None:
    """Calls `work` with the event that ends it, and returns what it returns, or raises what it raises.

    The event is set with `stop`, when this is cancelled (`cancel` is called, too), and once the loop is closed. None
    when its handlers were cancelled: the task that was cancelled knows.
    """
    loop = asyncio.get_running_loop()
    stopping = LoopStop(loop)
    ended: asyncio.Future[T | None] = loop.create_future()
    begin_on_thread(lambda: work(stopping), name, ended)
    asked = None if stop is None else asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((ended,) if asked is None else (ended, asked), return_when=asyncio.FIRST_COMPLETED)
        stopping.set()
        await asyncio.wait((ended,))
    except asyncio.CancelledError:
        stopping.set()
        cancel()
        await asyncio.wait((ended,), timeout=CANCEL_SECONDS)
        raise
    finally:
        if asked is not None:
            asked.cancel()
    return ended.result()


def begin_on_thread(work: Callable[[], T], name: str, ended: asyncio.Future[T | None]) -> None:
    """Calls `work` on a thread; the future is of what it returns or raises. None when its handlers were cancelled."""

    def end(result: T | None, error: BaseException | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(result)
        else:
            ended.set_exception(error)
            ended.exception()  # seen: nobody may be left that asks for it

    def do() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = work()
        except HandlerCancelled:
            pass
        except StopIteration as raised:  # no future takes it, and no coroutine can raise it
            error = RuntimeError("StopIteration was raised")
            error.__cause__ = raised
        except BaseException as raised:  # noqa: BLE001  # raised where it is waited for
            error = raised
        hand_over(ended.get_loop(), lambda: end(result, error))

    threading.Thread(target=outside_bound_session(do), name=f"outbox-{name}", daemon=True).start()


def check_stop(stop: object, error: type[OutboxError]) -> None:
    """Raises `error` unless it is an asyncio.Event, or None."""
    if not isinstance(stop, asyncio.Event | None):
        raise error(f"stop={stop!r}: give an asyncio.Event()")

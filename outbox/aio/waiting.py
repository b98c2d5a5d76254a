"""Waits in a coroutine for what only the server can tell: asks on a thread, and sleeps in the loop in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from outbox.aio.synchronous import Synchronous
from outbox.arguments import check_timeout
from outbox.clock import SystemClock
from outbox.errors import WaitTimeout
from outbox.location import holds, pauses


async def wait_until(
    sync: Synchronous, has_come: Callable[[], bool], timed_out: Callable[[float], WaitTimeout], seconds: float
) -> None:
    """Returns once `has_come` says so; raises what `timed_out` makes after so many seconds. Both ask the server."""
    check_timeout(seconds)
    pausing = pauses(seconds, SystemClock())
    while not await sync.call(partial(holds, has_come)):
        pause = next(pausing, None)
        if pause is None:
            raise await sync.call(partial(timed_out, seconds))
        await asyncio.sleep(pause)

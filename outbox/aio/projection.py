"""A projection for asyncio: the synchronous one runs on a thread, and its states are asked for without blocking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Generic, Literal, TypeVar

from outbox.aio.consumers.running import check_stop, run_on_thread
from outbox.aio.synchronous import Synchronous
from outbox.aio.waiting import wait_until
from outbox.clock import SystemClock
from outbox.consumers.caught_up import CaughtUpWait
from outbox.errors import InvalidProjection
from outbox.messages.message_types import Key
from outbox.projections.projection import Projection
from outbox.shares.states import key_of

S = TypeVar("S")


class AsyncProjection(Generic[S]):
    """Keeps states that are made of an outbox's messages, as Projection does; made by AsyncOutbox.projection.

    `apply`, `initial` and `by` are plain functions: what they return depends on nothing but what they are given, so
    that they have nothing to await. They run on the thread of `run` or `rebuild`, not in the loop.
    """

    def __init__(self, sync: Synchronous, projection: Projection[S]) -> None:
        self._sync = sync
        self._projection = projection
        self.name = projection.name
        self.id = projection.id
        """What its cursor and its lease are called."""

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Applies records as they come, on a thread, as Projection.run.

        It goes on until `stop` is set, `self.stop()` is called, the outbox is closed, or the program ends. When the
        task is cancelled it returns within 0.3 s; a transaction that still runs then ends by itself. Raises as
        Projection.run.
        """
        check_stop(stop, InvalidProjection)
        await run_on_thread(self._projection.run, self.name, stop)

    async def rebuild(self, stop: asyncio.Event | None = None) -> bool:
        """Makes all states anew beside those in use, on a thread, as Projection.rebuild. Ends as `run`."""
        check_stop(stop, InvalidProjection)
        return bool(await run_on_thread(self._projection.rebuild, self.name, stop))

    async def verify(self) -> None:
        """Makes all states once more and compares, on a thread, as Projection.verify.

        When the task is cancelled, the thread goes on to the end of it.
        """
        await run_on_thread(lambda _: self._projection.verify(), self.name)

    async def state(self, key: Key | None = None) -> S | None:
        """Returns the state of a key, as Projection.state."""
        return await self._sync.call(partial(self._projection.state, key))

    async def states(self) -> AsyncIterator[tuple[str | None, S]]:
        """Gives each key with its state, as Projection.states: some hundreds at a time, and no cursor in between."""
        last: str | None = None
        while page := await self._sync.call(partial(self._projection.page, last)):
            for last, state in page:
                yield key_of(self.name, last), state

    def stop(self) -> None:
        """Ends what runs, also a rebuild, as their `stop`. Does not wait; does nothing when nothing runs."""
        self._projection.stop()

    async def wait_caught_up(self, timeout: float = 5.0) -> None:
        """Returns when all that was committed before the call is in the states, as Projection.wait_caught_up."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await wait_until(self._sync, self._projection.is_made, self._projection.not_made, timeout)
        waiting = CaughtUpWait(self._sync.outbox.collections, self.id, SystemClock())
        left = max(0.0, timeout - (loop.time() - began))
        await wait_until(self._sync, waiting.is_there, waiting.timed_out, left)

    async def position(self) -> int | None:
        """Returns the seq up to which all is applied, as Projection.position."""
        return await self._sync.call(self._projection.position)

    async def reset(self, to: Literal["earliest", "latest"] | int | datetime) -> int:
        """Sets the position, and returns it, as Projection.reset."""
        return await self._sync.call(partial(self._projection.reset, to))

    async def forget(self) -> bool:
        """Removes the position and the states, as Projection.forget."""
        return await self._sync.call(self._projection.forget)

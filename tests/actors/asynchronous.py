"""Runs asynchronous tests: a loop of its own for each, with a client and an outbox that are closed at the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import uvloop
from pymongo import AsyncMongoClient

from outbox import AsyncOutbox
from tests.actors.order_service import MESSAGES

T = TypeVar("T")

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Loops:
    """Runs coroutines on loops of one kind."""

    def __init__(self, kind: str, uri: str, database: str) -> None:
        self.make = LOOPS[kind]
        self.uri = uri
        self.database = database
        self._opened: AsyncMongoClient[dict[str, Any]] | None = None

    def run(self, work: Callable[[AsyncOutbox], Coroutine[Any, Any, T]], messages: Any = MESSAGES, **options: Any) -> T:
        """Does the work with an outbox of the order service, or of other messages, in a loop of its own."""

        async def all_of_it() -> T:
            async with self.outbox(messages, **options) as orders:
                return await work(orders)

        return self.run_bare(all_of_it())

    def run_bare(self, work: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=self.make) as runner:
            return runner.run(work)

    @property
    def opened(self) -> AsyncMongoClient[dict[str, Any]]:
        """The client of the outbox that was made last."""
        assert self._opened is not None
        return self._opened

    @asynccontextmanager
    async def outbox(self, messages: Any = MESSAGES, **options: Any) -> AsyncIterator[AsyncOutbox]:
        """An outbox that was created, over a client of its own."""
        async with self.client() as client:
            self._opened = client
            async with AsyncOutbox(client[self.database], messages=messages, **options) as orders:
                await orders.create()
                yield orders

    def client(self) -> AsyncMongoClient[dict[str, Any]]:
        return AsyncMongoClient(self.uri)


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], what: str) -> None:
    """Waits in the loop until the condition holds; fails after 30 s."""
    async with asyncio.timeout(30):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.01)
    raise AssertionError(f"never: {what}")


def threads() -> list[str]:
    """The names of the threads of all outboxes of this process."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("outbox-")]

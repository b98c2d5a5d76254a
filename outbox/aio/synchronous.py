"""The synchronous outbox behind an asynchronous one: reads, creates and looks for it, on a few threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo.database import Database

from outbox.aio.consumers.handlers import is_handling
from outbox.aio.threads import Threads
from outbox.outbox import Outbox

T = TypeVar("T")

CALLS = 8
"""Calls such as `status` at a time."""
READS = 4
"""Readers that read at a time, of however many there are: those that wait for the log hold no thread."""


class Synchronous:
    """An Outbox over a client of its own, which it closes, and the threads on which coroutines use it. Thread-safe."""

    def __init__(self, database: Database[Any], make: Callable[[Database[Any]], Outbox]) -> None:
        self.outbox = make(database)
        self._lock = threading.Lock()
        self._client: MongoClient[Any] | None = database.client
        self._calls = Threads(CALLS, f"outbox-async-{self.outbox.name}")
        self.reads = Threads(READS, f"outbox-async-read-{self.outbox.name}")

    async def call(self, call: Callable[[], T]) -> T:
        """Calls a method of the outbox on a thread. When the caller is cancelled, it ends there by itself."""
        return await self._calls.call(call)

    def soon(self, call: Callable[[], object]) -> None:
        """Calls it on a thread, for nobody to wait for."""
        self._calls.begin(call)

    async def close(self, first: Callable[[], object]) -> None:
        """Calls `first`, then closes the outbox and the client, all on a thread.

        Inside a handler it does not wait for that: the handler would be waited for there.
        """
        closing = self._calls.begin(partial(self._close, first))
        try:
            if is_handling.get() is not self:
                await closing
        finally:
            self._calls.end()
            self.reads.end()

    def _close(self, first: Callable[[], object]) -> None:
        first()
        self.outbox.close()
        with self._lock:  # a client that is closed twice asks the server for the cursors that it could not end before
            client, self._client = self._client, None
        if client is not None:
            client.close()

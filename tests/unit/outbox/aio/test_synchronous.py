"""The outbox behind an asynchronous one is asked on threads, and closed with its client."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import InvalidOperation

from outbox import Outbox, OutboxClosed
from outbox.aio.synchronous import CALLS, Synchronous


def test_calls_are_made_on_threads_of_its_own_at_most_so_many_at_a_time() -> None:
    seen: set[str] = set()

    async def work() -> None:
        sync = Synchronous(MongoClient[dict[str, Any]](connect=False).shop, Outbox)
        await asyncio.gather(*(sync.call(lambda: seen.add(threading.current_thread().name)) for _ in range(100)))
        await sync.close(lambda: None)

    asyncio.run(work())

    assert all(name.startswith("outbox-async-outbox") for name in seen)
    assert len(seen) <= CALLS


def test_closing_closes_the_outbox_and_its_client() -> None:
    async def work() -> None:
        sync = Synchronous(MongoClient[dict[str, Any]](connect=False).shop, Outbox)
        await sync.close(lambda: None)
        with pytest.raises(OutboxClosed):
            await sync.call(sync.outbox.status)
        with pytest.raises(InvalidOperation):
            sync.outbox.collections.client.admin.command("ping")

    asyncio.run(work())


def test_a_client_is_closed_once_however_often_its_outbox_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second time it would ask the server for the cursors that it could not end the first time, and raise."""
    closed: list[int] = []

    async def work() -> None:
        sync = Synchronous(MongoClient[dict[str, Any]](connect=False).shop, Outbox)
        monkeypatch.setattr(sync.outbox.collections.client, "close", lambda: closed.append(1))
        await asyncio.gather(*(sync.close(lambda: None) for _ in range(5)))

    asyncio.run(work())

    assert closed == [1]

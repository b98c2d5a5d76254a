"""Ten thousand asynchronous subscriptions to one outbox, in one process."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import AsyncOutbox
from tests.actors.asynchronous import Loops, threads, until
from tests.actors.order_service import placed

pytestmark = pytest.mark.heavy

SUBSCRIPTIONS = 10_000
THREADS = 40
"""Those of one outbox (15 were seen), of the driver's monitors and of the test itself."""
CURSORS = 4
CONNECTIONS = 60
MEBIBYTES = 400
"""68 MiB were seen."""

log = logging.getLogger(__name__)


def resident() -> float:
    """The memory of this process, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.fixture
def cursors(mongo: MongoClient[Any], database: Database[Any]) -> Callable[[], int]:
    """Counts, on the server, the cursors that are open on the outbox."""

    def count() -> int:
        found = mongo.admin.aggregate([{"$currentOp": {"idleCursors": True}}])
        return sum("cursor" in each and each.get("ns", "").startswith(database.name) for each in found)

    return count


@pytest.mark.timeout(300)
def test_ten_thousand_get_everything_by_a_few_threads_and_leave_nothing(
    mongo: MongoClient[Any], mongo_uri: str, database: Database[Any], cursors: Callable[[], int]
) -> None:
    def connections() -> int:
        return int(mongo.admin.command("serverStatus")["connections"]["current"])

    async def work(orders: AsyncOutbox) -> None:
        began: list[int] = []
        got: list[int] = []

        async def subscribe() -> None:
            async with orders.observe() as records:
                began.append(1)
                async for record in records:
                    got.append(record.seq)  # noqa: PERF401  # counted while it goes on for ever

        memory, connected = resident(), connections()
        tasks = [asyncio.ensure_future(subscribe()) for _ in range(SUBSCRIPTIONS)]
        await all_of(began, 1)
        memory = resident() - memory
        for seq in (1, 2, 3):
            started = time.monotonic()
            await orders.put(placed(seq), standalone=True)
            await all_of(got, seq)
            log.info("message %d came to all in %.2f s", seq, time.monotonic() - started)
        found = len(threads()), threading.active_count(), cursors(), connections() - connected
        log.info("%.0f MiB for all; threads of the outbox and of the process, cursors, connections: %s", memory, found)
        assert sorted(got) == [seq for seq in (1, 2, 3) for _ in range(SUBSCRIPTIONS)]
        assert found[1] <= THREADS
        assert found[2] <= CURSORS
        assert found[3] <= CONNECTIONS
        assert memory < MEBIBYTES

        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended)
        await until(lambda: threads() == [], "the threads to end")
        await until(lambda: cursors() == 0, "the cursors to be closed")

    async def all_of(those: list[int], times: int) -> None:
        async with asyncio.timeout(120):
            while len(those) < times * SUBSCRIPTIONS:
                await asyncio.sleep(0.05)

    Loops("asyncio", mongo_uri, database.name).run(work)

"""Archive, log and what comes, as one sequence, from asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from outbox import AsyncOutbox, HistoryLost, Outbox, Record
from outbox.archive import Archive
from tests.actors.archiving import put_large
from tests.actors.asynchronous import Loops, until
from tests.actors.order_service import MESSAGES


def run(loops: Loops, orders: Outbox, work: Any) -> None:
    async def with_an_outbox() -> None:
        async with (
            loops.client() as client,
            AsyncOutbox(client[loops.database], name=orders.name, messages=MESSAGES, sequence=False) as outbox,
        ):
            await work(outbox)

    loops.run_bare(with_an_outbox())


def test_it_reads_archive_and_log(loops: Loops, orders: Outbox, archive: Archive) -> None:
    async def work(outbox: AsyncOutbox) -> None:
        assert [record.seq async for record in outbox.read(0, archive=archive)] == list(range(1, 13))
        assert [record.seq async for record in outbox.read(3, archive=archive)] == list(range(3, 13))
        with pytest.raises(HistoryLost):
            await anext(outbox.read(1))

    run(loops, orders, work)


def test_it_observes_archive_log_and_what_comes(loops: Loops, orders: Outbox, archive: Archive) -> None:
    async def work(outbox: AsyncOutbox) -> None:
        records = outbox.observe(0, archive=archive)
        seqs = [(await anext(records)).seq for _ in range(12)]
        more = asyncio.ensure_future(anext(records))
        await asyncio.to_thread(put_large, orders, 1)
        assert [*seqs, (await more).seq] == list(range(1, 14))

    run(loops, orders, work)


def test_consumers_and_projections_begin_with_it(loops: Loops, orders: Outbox, archive: Archive) -> None:
    seqs: list[int] = []

    async def handle(record: Record[Any]) -> None:
        seqs.append(record.seq)

    async def work(outbox: AsyncOutbox) -> None:
        billing = outbox.consumer("billing", start=0, archive=archive)
        counts = outbox.projection("counts", apply=lambda state, record: {"last": record.seq}, archive=archive)
        running = [asyncio.ensure_future(billing.run(handle)), asyncio.ensure_future(counts.run())]
        await until(lambda: len(seqs) == 12, "all of history to be handled")
        await counts.wait_caught_up(30)
        assert await counts.state() == {"last": 12}
        billing.stop()
        counts.stop()
        await asyncio.gather(*running)

    run(loops, orders, work)
    assert seqs == list(range(1, 13))

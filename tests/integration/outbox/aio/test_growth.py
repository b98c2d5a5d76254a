"""However a loop over records ends, no thread and no cursor is left; and many loops need few threads."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import AsyncOutbox, PoolTooSmall
from outbox.aio import growth as growth_module
from tests.actors.asynchronous import Loops, threads, until
from tests.actors.order_service import MESSAGES, placed

Document = dict[str, Any]


@pytest.fixture
def cursors(mongo: MongoClient[Document], database: Database[Document]) -> Callable[[], int]:
    """Counts, on the server, the cursors that are open on the outbox, whether they are being waited on or not."""

    def count() -> int:
        found = mongo.admin.aggregate([{"$currentOp": {"idleCursors": True}}])
        return sum("cursor" in each and each.get("ns", "").startswith(database.name) for each in found)

    return count


async def _looping(orders: AsyncOutbox) -> None:
    async for _ in orders.observe("earliest"):
        pass


async def _cancelled(orders: AsyncOutbox) -> object:
    task = asyncio.ensure_future(_looping(orders))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return task  # whose error holds the frames


async def _timed_out(orders: AsyncOutbox) -> object:
    records = orders.observe("earliest")
    await anext(records)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(records), 0.3)
    return records


async def _broken_off(orders: AsyncOutbox) -> object:
    async for _ in orders.observe("earliest"):
        break
    return None


async def _failed(orders: AsyncOutbox) -> object:
    async def failing() -> None:
        async for _ in orders.observe("earliest"):
            _ = 1 // 0

    with pytest.raises(ZeroDivisionError):
        await failing()
    return None


async def _left(orders: AsyncOutbox) -> object:
    async with orders.observe("earliest") as records:
        await anext(records)
    return records


async def _in_a_cycle(orders: AsyncOutbox) -> object:
    holder: Any = orders.observe("earliest")
    await anext(holder)
    holder.itself = holder
    return None


@pytest.mark.parametrize("ending", [_cancelled, _timed_out, _broken_off, _failed, _left, _in_a_cycle])
def test_nothing_is_left_of_a_loop(
    loops: Loops, cursors: Callable[[], int], ending: Callable[[AsyncOutbox], Awaitable[object]]
) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await orders.put(placed(1), standalone=True)
        await orders.sequence()
        kept = await ending(orders)

        def gone() -> bool:
            return gc.collect() >= 0 and not [name for name in threads() if "observe" in name or "tail" in name]

        await until(gone, "the threads to end")
        await until(lambda: cursors() == 0, "the cursors to be closed")
        del kept

    loops.run(work, sequence=False)


# The driver closes the sockets of a loop that has ended when they are collected, and Python says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_is_left_of_a_loop_that_was_closed_with_its_records_open(
    loops: Loops, cursors: Callable[[], int], mongo_uri: str
) -> None:
    async def forgetful() -> None:
        client = loops.client()
        orders = AsyncOutbox(client[loops.database], messages=MESSAGES)
        await orders.create()
        await orders.put(placed(1), standalone=True)
        task = asyncio.ensure_future(_looping(orders))
        await asyncio.sleep(0.3)
        assert not task.done()
        await client.close()

    loops.run_bare(forgetful())

    async def after() -> None:
        await until(lambda: gc.collect() >= 0 and threads() == [], "the threads to end")
        await until(lambda: cursors() == 0, "the cursors to be closed")

    asyncio.run(after())


def test_ctrl_c_ends_a_loop_over_records(loops: Loops, cursors: Callable[[], int]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await orders.put(placed(1), standalone=True)
        async for _ in orders.observe("earliest"):
            threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()

    with pytest.raises(KeyboardInterrupt):
        loops.run(work)

    async def after() -> None:
        await until(lambda: not [name for name in threads() if name != "outbox-batch-timer"], "the threads to end")
        await until(lambda: cursors() == 0, "the cursors to be closed")

    asyncio.run(after())


def test_a_hundred_loops_share_a_few_threads_and_each_gets_everything(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        before, most = threading.active_count(), 0

        async def loop() -> list[int]:
            nonlocal most
            seen: list[int] = []
            async with orders.observe() as records:
                opened.append(1)
                async for record in records:
                    most = max(most, threading.active_count())
                    seen.append(record.seq)
                    if len(seen) == 20:
                        break
            return seen

        opened: list[int] = []
        tasks = [asyncio.ensure_future(loop()) for _ in range(100)]
        await until(lambda: len(opened) == 100, "all to begin")
        for number in range(20):
            await orders.put(placed(number), standalone=True)
        async with asyncio.timeout(60):
            seen = await asyncio.gather(*tasks)
        assert all(each == list(range(seen[0][0], seen[0][0] + 20)) for each in seen)
        assert most - before < 20

    loops.run(work)


def test_hundreds_of_loops_that_wait_get_a_record_by_one_read(
    loops: Loops, mongo: MongoClient[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each had read for itself: a hop between threads, a session and a find, twice a record."""
    many, messages = 300, 10

    async def work(orders: AsyncOutbox) -> None:
        client = orders._outbox.collections.client
        begin, start_session, hops, sessions = orders._sync.reads.begin, client.start_session, [], []
        seen = [0] * many

        async def loop(number: int) -> None:
            async for record in orders.observe("earliest"):
                assert record.seq == seen[number] + 1
                seen[number] = record.seq

        def finds() -> int:
            return int(mongo.admin.command("serverStatus")["metrics"]["commands"]["find"]["total"])

        await orders.put(placed(0), standalone=True)
        tasks = [asyncio.ensure_future(loop(number)) for number in range(many)]
        await until(lambda: seen == [1] * many, "all to begin")
        await until(lambda: len(next(iter(orders._growth._waiting.values()), ())) == many, "all to wait")
        monkeypatch.setattr(orders._sync.reads, "begin", lambda call: hops.append(1) or begin(call))
        monkeypatch.setattr(client, "start_session", lambda **options: sessions.append(1) or start_session(**options))
        before = finds()
        for number in range(1, messages + 1):
            await orders.put(placed(number), standalone=True)
            await until(lambda number=number: seen == [number + 1] * many, "it to come to all")  # type: ignore[misc]
        # All of them read for themselves, once, should the tail's cursor end in between: a tenth of what it was.
        assert len(hops) <= many
        assert len(sessions) <= 2 * many
        assert finds() - before <= 2 * many
        for task in tasks:
            task.cancel()

    loops.run(work)


def test_what_comes_when_nobody_looks_is_found_by_the_next_look(loops: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that follows the log may itself be told of nothing, and may fail."""
    monkeypatch.setattr(growth_module, "POLL_SECONDS", 0.1)

    async def work(orders: AsyncOutbox) -> None:
        records = orders.observe("earliest")
        waiting = asyncio.ensure_future(anext(records))
        await asyncio.sleep(0.2)
        read, failures = orders._outbox.reader, [OSError("no"), ValueError("no")]

        def failing(*arguments: Any) -> Any:
            if failures:
                raise failures.pop()
            return read(*arguments)

        monkeypatch.setattr(orders._outbox, "reader", failing)
        await orders.put(placed(1), standalone=True)
        async with asyncio.timeout(30):
            assert (await waiting).seq == 1

    loops.run(work)


def test_a_pool_that_is_too_small_is_said_to_who_reads(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        pool = orders._outbox.collections.client.options.pool_options
        pool._PoolOptions__max_pool_size = 1
        with pytest.raises(PoolTooSmall):
            await anext(orders.observe("earliest"))

    loops.run(work)


def test_a_slow_loop_holds_one_portion(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await orders.put([placed(number, note="x" * 5000) for number in range(2000)], standalone=True)
        await orders.sequence()
        records = orders.observe("earliest")
        first = await anext(records)
        assert first.seq == 1
        assert records._reader is not None
        position = records._reader.position
        await asyncio.sleep(0.3)
        assert records._reader.position == position < 2000

    loops.run(work, sequence=False)


def test_whoever_runs_beside_many_loops_has_its_turns_between_them(
    loops: Loops, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when all are woken in one turn: a web server would answer nobody meanwhile."""
    monkeypatch.setattr(growth_module, "_RELEASED", 10)

    async def work(orders: AsyncOutbox) -> None:
        got: list[int] = []
        began: list[int] = []
        seen: set[int] = set()

        async def loop() -> None:
            async with orders.observe() as records:
                began.append(1)
                got.append((await anext(records)).seq)

        async def beside() -> None:
            while len(got) < 200:
                seen.add(len(got))
                await asyncio.sleep(0)

        tasks = [asyncio.ensure_future(loop()) for _ in range(200)]
        await until(lambda: len(began) == 200, "all to begin")
        tasks.append(asyncio.ensure_future(beside()))
        await orders.put(placed(1), standalone=True)
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks)
        assert len(seen) > 10

    loops.run(work)

"""Records as an asynchronous iterator: from any start, filtered, at its own pace, and nothing lost when cancelled."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import AsyncOutbox, HistoryLost, InvalidArgument, LogReplaced, Outbox, OutboxClosed, OutboxNotCreated
from outbox.aio import AsyncRecords
from outbox.aio import records as asking
from outbox.events import CaughtUp, Event, Fetched, Idle, Started, Stopped
from outbox.log.batch import Batch
from outbox.readers.reader import LogReader
from tests.actors.asynchronous import Loops, until
from tests.actors.order_service import MESSAGES, OrderCancelled, OrderPlaced, placed
from tests.actors.small_log import put_large, small_outbox

Document = dict[str, Any]


async def put(orders: AsyncOutbox, *numbers: int) -> None:
    for number in numbers:
        await orders.put(placed(number), standalone=True)


async def take(records: AsyncRecords, count: int) -> list[int]:
    """The totals of the next records."""
    async with asyncio.timeout(30):
        return [(await anext(records)).message.total for _ in range(count)]


def test_records_come_in_order_first_those_of_the_log_then_the_new_ones(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 1, 2)
        records = orders.observe("earliest")
        assert await take(records, 2) == [1, 2]
        await put(orders, 3)
        assert await take(records, 1) == [3]

    loops.run(work)


def test_what_another_process_numbers_comes_too(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        with Outbox(database, messages=MESSAGES, sequence=False) as other:
            records = orders.observe("earliest")
            for number in range(5):
                other.put(placed(number), standalone=True)
                await asyncio.to_thread(other.sequence)
                assert await take(records, 1) == [number]

    loops.run(work, sequence=False)


def test_latest_is_what_is_put_after_it_was_entered(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 1)
        await orders.sequence()
        async with orders.observe() as records:
            await put(orders, 2)
            assert await take(records, 1) == [2]

    loops.run(work)


def test_types_keys_and_a_predicate_choose(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await orders.put(
            [placed(1, "a"), placed(2, "b"), OrderCancelled(order_id="a"), placed(3, "a")], standalone=True
        )
        await orders.sequence()
        by_type = orders.read(types=[OrderCancelled])
        assert [record.seq async for record in by_type] == [3]
        assert [record.seq async for record in orders.read(key="a", types=[OrderPlaced])] == [1, 4]
        chosen = orders.read(where=lambda record: record.seq > 2)
        assert [record.seq async for record in chosen] == [3, 4]

    loops.run(work, sequence=False)


def test_reading_ends_at_the_head(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        assert [record async for record in orders.read()] == []
        await orders.put([placed(number) for number in range(3000)], standalone=True)
        await orders.sequence()
        assert [record.message.total async for record in orders.read()] == list(range(3000))
        assert [record.seq async for record in orders.read(2999)] == [2999, 3000]

    loops.run(work, sequence=False)


def test_one_that_was_cancelled_goes_on_where_it_was(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        records, seen = orders.observe("earliest"), []
        putting = asyncio.ensure_future(put(orders, *range(40)))
        async with asyncio.timeout(60):
            while len(seen) < 40:
                try:
                    async with asyncio.timeout(0.005):
                        seen.append((await anext(records)).message.total)
                except TimeoutError:
                    continue
        await putting
        assert seen == list(range(40))

    loops.run(work)


def test_what_a_thread_reads_for_one_that_is_cancelled_is_kept_for_the_next_asking(
    loops: Loops, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 1)
        await orders.sequence()
        records = orders.observe("earliest")
        read, begun, go_on = records._read, threading.Event(), threading.Event()

        def slow(reader: LogReader) -> list[Batch]:
            begun.set()
            assert go_on.wait(30)
            return read(reader)

        monkeypatch.setattr(records, "_read", slow)
        asking = asyncio.ensure_future(anext(records))
        await until(begun.is_set, "the thread to read")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        go_on.set()
        assert await take(records, 1) == [1]

    loops.run(work, sequence=False)


def test_a_record_s_message_and_where_an_error_comes_from(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 1, 2)
        records = orders.observe("earliest", where=lambda record: 1 / 0 > 0)
        with pytest.raises(ZeroDivisionError) as failed:
            await take(records, 1)
        assert "where" in "".join(failed.value.__notes__)
        with pytest.raises(StopAsyncIteration):
            await anext(records)

    loops.run(work)


def test_it_says_what_the_log_no_longer_has_or_is_told_of_it(loops: Loops, database: Database[Document]) -> None:
    small = small_outbox(database)
    gaps: list[HistoryLost] = []

    async def work() -> None:
        async with loops.client() as client, AsyncOutbox(client[database.name], messages=MESSAGES) as orders:
            put_large(small, 30)
            with pytest.raises(HistoryLost):
                await take(orders.observe(1), 1)
            first = await anext(orders.observe(1, on_gap=gaps.append))
            assert first.seq == gaps[0].oldest > 1

    loops.run_bare(work())


def test_a_log_that_was_replaced_ends_one_that_waits(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 1)
        records = orders.observe("earliest")
        assert await take(records, 1) == [1]
        waiting = asyncio.ensure_future(anext(records))
        await asyncio.sleep(0.1)
        database.drop_collection("outbox")
        with pytest.raises(LogReplaced):
            async with asyncio.timeout(30):
                await waiting

    loops.run(work)


def test_a_log_that_was_replaced_ends_one_though_others_read_the_new_one(
    loops: Loops, database: Database[Document]
) -> None:
    """What is read for all goes only to those that have read that very log before."""

    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 1)
        await orders.sequence()
        old = orders.observe("earliest")
        assert await take(old, 1) == [1]
        await orders.drop()
        await orders.create()
        async with orders.observe() as new:
            await put(orders, 1)
            await orders.sequence()
            assert await take(new, 1) == [1]
            await put(orders, 2)
            await orders.sequence()
            assert await take(new, 1) == [2]
            with pytest.raises(LogReplaced):
                await take(old, 1)

    loops.run(work, sequence=False)


def test_an_outbox_that_was_never_created_is_an_error(loops: Loops) -> None:
    async def work() -> None:
        async with loops.client() as client, AsyncOutbox(client[loops.database]) as orders:
            for records in (orders.observe("earliest"), orders.read(), orders.observe()):
                with pytest.raises(OutboxNotCreated):
                    async with asyncio.timeout(30):
                        await anext(records)

    loops.run_bare(work())


def test_closing_the_outbox_ends_the_loops_over_its_records(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        seen: list[int] = []

        async def loop() -> None:
            async for record in orders.observe("earliest"):
                seen.append(record.seq)  # noqa: PERF401  # looked at meanwhile

        await put(orders, 1, 2)
        looping = asyncio.ensure_future(loop())
        await until(lambda: seen == [1, 2], "what was put to come")
        waiting = asyncio.ensure_future(anext(orders.observe()))
        await asyncio.sleep(0)
        await orders.close()
        await looping
        with pytest.raises(StopAsyncIteration):
            await waiting
        with pytest.raises(OutboxClosed):
            orders.observe()

    loops.run(work)


def test_it_tells_what_it_does(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> list[Event]:
        events: list[Event] = []
        await put(orders, 1)
        await orders.sequence()
        async with orders.observe("earliest", on_event=events.append) as records:
            assert await take(records, 1) == [1]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(records), 0.3)
        return events

    events = loops.run(work, sequence=False)

    assert [type(event) for event in events[:2]] == [Started, Fetched]
    assert CaughtUp(1) in events
    assert events[-1] == Stopped()
    assert events.count(Stopped()) == 1


@pytest.mark.parametrize("waits", [True, False], ids=["at the head", "for its first look"])
def test_whoever_waits_is_told_when_another_ends_the_records(loops: Loops, waits: bool) -> None:
    """As a server does when a web client is gone. Goes red when only what is asked for later is ended."""
    seen: list[Event] = []

    async def work(orders: AsyncOutbox) -> None:
        records = orders.observe("earliest", on_event=seen.append)
        waiting = asyncio.ensure_future(anext(records, None))
        await until(lambda: bool(seen and isinstance(seen[-1], Idle)) or not waits, "it to wait")
        await asyncio.sleep(0)
        await records.aclose()
        async with asyncio.timeout(30):
            assert await waiting is None

    loops.run(work)

    assert [type(event) for event in seen].index(Stopped) == len(seen) - 1


def test_a_second_task_is_refused_and_the_first_misses_nothing(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        records = orders.observe("earliest")
        first = asyncio.ensure_future(take(records, 2))
        await asyncio.sleep(0)
        for _ in range(2):
            with pytest.raises(InvalidArgument, match="an iterator for each task"):
                await asyncio.wait_for(anext(records), 10)
        with pytest.raises(InvalidArgument, match="an iterator for each task"):
            await records.__aenter__()
        await put(orders, 1, 2)
        assert await first == [1, 2]

    loops.run(work)


def test_what_a_closed_loop_has_read_is_not_waited_for_in_another(
    loops: Loops, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on, read = threading.Event(), threading.Event(), LogReader.read_batches

    def slowly(reader: LogReader) -> list[Batch]:
        reading.set()
        go_on.wait(30)
        return read(reader)

    async def in_another() -> None:
        with pytest.raises(InvalidArgument, match="another event loop"):
            await anext(records)

    client = loops.client()
    with asyncio.Runner(loop_factory=loops.make) as runner:
        outbox = AsyncOutbox(client[loops.database], messages=MESSAGES, sequence=False)
        runner.run(outbox.create())
        records = outbox.read()
        monkeypatch.setattr(LogReader, "read_batches", slowly)
        asked = runner.get_loop().create_task(records.__anext__())
        runner.run(until(reading.is_set, "the thread to read"))
        asked.cancel()
        runner.run(asyncio.wait([asked]))
        runner.run(client.close())
    loops.run_bare(in_another())
    go_on.set()
    loops.run_bare(outbox.close())


def test_closing_the_outbox_ends_a_loop_that_rides_out_an_outage(loops: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(orders: AsyncOutbox) -> None:
        tried = []

        def fails(*_: Any) -> LogReader:
            tried.append(1)
            raise AutoReconnect("connection closed")

        monkeypatch.setattr(asking, "open_history", fails)
        waiting = asyncio.ensure_future(anext(orders.observe("earliest")))
        await until(lambda: len(tried) > 1, "it to try again")
        await orders.close()
        async with asyncio.timeout(30):
            with pytest.raises(StopAsyncIteration):
                await waiting

    loops.run(work)

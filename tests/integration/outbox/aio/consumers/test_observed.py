"""A consumer's records for `async for`: they are acknowledged one by one, and what is not comes again."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from outbox import AsyncConsumer, AsyncOutbox, Consumer, InvalidConsumer, OutboxClosed, Record
from outbox.aio.consumers.observed import AsyncDeliveries
from outbox.consumers import observed
from tests.actors.asynchronous import Loops, threads, until
from tests.actors.order_service import placed


async def put(orders: AsyncOutbox, count: int) -> None:
    await orders.put([placed(number) for number in range(count)], standalone=True)


async def take(records: AsyncDeliveries[Any], count: int) -> list[Record[Any]]:
    async with asyncio.timeout(30):
        return [await anext(records) for _ in range(count)]


def seqs(records: list[Record[Any]]) -> list[int]:
    return [record.seq for record in records]


async def stands_at(billing: AsyncConsumer[Any], seq: int) -> None:
    async def is_there() -> bool:
        return await billing.position() == seq

    await until(is_there, f"the position to be {seq}")


def ended() -> bool:
    return "outbox-billing" not in threads()


def test_the_position_moves_over_what_is_acknowledged_without_a_gap(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 3)
        billing = orders.consumer("billing")
        async with billing.observe() as records:
            first, second, third = await take(records, 3)
            billing.ack(third)
            billing.ack(first)
            await stands_at(billing, 1)
            billing.ack(second)
            await stands_at(billing, 3)
        await until(ended, "the thread to end")

    loops.run(work)


def test_what_is_acknowledged_is_remembered_when_it_is_left_and_the_rest_comes_again(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 5)
        billing = orders.consumer("billing")
        async for record in billing.observe():
            if record.seq == 3:
                break
            billing.ack(record)
        async for record in billing.observe():  # which waits until the first has ended
            assert record.seq == 3
            break
        async with billing.observe() as records:
            assert seqs(await take(records, 3)) == [3, 4, 5]

    loops.run(work)


@pytest.mark.parametrize("pause", [0.0, 1.0])
def test_one_that_was_cancelled_goes_on_or_begins_anew(loops: Loops, pause: float) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 2)
        billing = orders.consumer("billing")
        async with billing.observe() as records:
            for record in await take(records, 2):
                billing.ack(record)
            await stands_at(billing, 2)
            for total in range(2):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await anext(records)
                await asyncio.sleep(pause)
                await put(orders, 1)
                [record] = await take(records, 1)
                assert record.seq == 3 + total
                billing.ack(record)

    loops.run(work)


def test_nothing_is_left_of_a_loop_whose_task_was_cancelled(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 1)
        billing, given = orders.consumer("billing"), asyncio.Event()

        async def loop() -> None:
            records = billing.observe()
            async for _ in records:
                given.set()

        task = asyncio.ensure_future(loop())
        await given.wait()
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)  # whose traceback holds the iterator
        await until(ended, "the thread to end")
        assert isinstance(results[0], asyncio.CancelledError)

    loops.run(work)


@pytest.mark.parametrize("ending", ["stop", "close", "aclose"])
def test_it_ends_for_who_waits(loops: Loops, ending: str) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 1)
        billing = orders.consumer("billing")
        records = billing.observe()
        await take(records, 1)
        waiting = asyncio.ensure_future(anext(records, None))
        await asyncio.sleep(0)
        if ending == "stop":
            billing.stop()
        elif ending == "close":
            await orders.close()
        else:
            await records.aclose()
        async with asyncio.timeout(30):
            assert await waiting is None
            assert await anext(records, None) is None
        await until(ended, "the thread to end")

    loops.run(work)


def test_what_ends_the_consumer_is_raised(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        billing = orders.consumer("billing")
        async with billing.observe() as records, asyncio.timeout(30):
            await put(orders, 1)
            await take(records, 1)
            with pytest.raises(InvalidConsumer, match="runs already"):
                await anext(billing.observe())
        other = orders.consumer("other").observe()
        await orders.close()
        with pytest.raises(OutboxClosed):
            await anext(other)

    loops.run(work)


def test_no_more_than_a_window_is_given_and_not_acknowledged(loops: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "WINDOW", 2)

    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 5)
        billing = orders.consumer("billing")
        async with billing.observe() as records:
            first = await take(records, 2)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await anext(records)
            billing.ack(first[0])
            assert seqs(await take(records, 1)) == [3]

    loops.run(work)


def test_a_second_task_and_what_is_no_record_are_refused(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 1)
        billing = orders.consumer("billing")
        async with billing.observe() as records:
            waiting = asyncio.ensure_future(anext(records))
            await asyncio.sleep(0)
            with pytest.raises(InvalidConsumer, match="another task"):
                await anext(records)
            assert (await waiting).seq == 1
            for wrong in (None, 1, "record"):
                with pytest.raises(InvalidConsumer, match="give a record"):
                    billing.ack(wrong)  # type: ignore[arg-type]  # it is wrong

    loops.run(work)


def test_a_loop_that_keeps_up_lets_others_run(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 900)
        billing, turns = orders.consumer("billing"), []

        async def other() -> None:
            while True:
                turns.append(1)
                await asyncio.sleep(0)

        async with billing.observe() as records:
            [first] = await take(records, 1)
            await until(lambda: len(records._turn._records) == 899, "all to be given")  # type: ignore[union-attr]
            beside = asyncio.ensure_future(other())
            for record in [first, *await take(records, 899)]:
                billing.ack(record)
            assert len(turns) > 3
            beside.cancel()
            await stands_at(billing, 900)

    loops.run(work)


def test_an_asynchronous_consumer_has_what_a_consumer_has() -> None:
    """Left out: what only the outbox and the asynchronous face call."""
    own = {"join", "check_batch", "deliver_to", "deliver_to_observer", "traced"}
    for name, method in inspect.getmembers(Consumer, inspect.isfunction):
        if not name.startswith("_") and name not in own:
            twin = getattr(AsyncConsumer, name)
            assert list(inspect.signature(twin).parameters) == list(inspect.signature(method).parameters), name

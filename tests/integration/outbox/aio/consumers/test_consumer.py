"""Consumers with coroutines for handlers: in order, side by side, tried again, stopped and cancelled."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from typing import Any

import pytest

from outbox import AsyncOutbox, InvalidConsumer, Record, WaitTimeout
from tests.actors.asynchronous import Loops, threads, until
from tests.actors.order_service import OrderPlaced, placed

_request = contextvars.ContextVar("request", default="none")


class Handled:
    """An asynchronous handler that keeps what it is given, and fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.seqs: list[int] = []
        self.failures = list(failures)

    async def __call__(self, record: Record[Any]) -> None:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop()
        self.seqs.append(record.seq)


async def _put(orders: AsyncOutbox, count: int, key: str | None = None) -> None:
    await orders.put([placed(number, key or str(number)) for number in range(count)], standalone=True)


@pytest.mark.parametrize("concurrency", [1, 5])
def test_every_message_is_handled_once_and_the_position_is_remembered(loops: Loops, concurrency: int) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await _put(orders, 20)
        first, second = Handled(), Handled()
        billing = orders.consumer("billing", types=[OrderPlaced], concurrency=concurrency)
        running = asyncio.ensure_future(billing.run(first))
        await billing.wait_caught_up(30)
        assert sorted(first.seqs) == list(range(1, 21))
        billing.stop()
        await running
        assert await billing.position() == 20
        running = asyncio.ensure_future(billing.run(second))
        await _put(orders, 1)
        await until(lambda: second.seqs == [21], "the next one")
        billing.stop()
        await running
        assert await billing.forget()

    loops.run(work)


def test_different_keys_run_side_by_side_and_one_key_in_order(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        all_in, order = asyncio.Barrier(10), []

        async def handle(record: Record[Any]) -> None:
            assert threading.current_thread() is threading.main_thread()
            if record.seq <= 10:
                await all_in.wait()
            order.append((record.key, record.seq))

        await _put(orders, 10)
        await _put(orders, 10)
        billing = orders.consumer("billing", concurrency=10)
        running = asyncio.ensure_future(billing.run(handle))
        await billing.wait_caught_up(30)
        for key in range(10):
            assert [seq for each, seq in order if each == str(key)] == [key + 1, key + 11]
        billing.stop()
        await running

    loops.run(work)


def test_a_handler_that_fails_is_called_again_and_then_given_up(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await _put(orders, 2)
        again, never = Handled(ValueError("once")), Handled(*[ValueError("always")] * 2)
        async with asyncio.TaskGroup() as group:
            for name, handle in (("again", again), ("never", never)):
                consumer = orders.consumer(name, attempts=2)
                run = group.create_task(consumer.run(handle))
                await consumer.wait_caught_up(30)
                consumer.stop()
                await run
        assert again.seqs == [1, 2]
        assert never.seqs == [2]
        assert [(reader.id, reader.dead_letters) for reader in await orders.readers()] == [
            ("consumer:again", 0),
            ("consumer:never", 1),
        ]

    loops.run(work)


def test_handlers_run_in_the_context_of_who_runs_them(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        seen: list[str] = []

        async def handle(record: Record[Any]) -> None:
            seen.append(_request.get())

        await _put(orders, 1)
        _request.set("mine")
        billing = orders.consumer("billing")
        running = asyncio.ensure_future(billing.run(handle))
        await until(lambda: seen == ["mine"], "the handler to see it")
        billing.stop()
        await running

    loops.run(work)


@pytest.mark.parametrize("concurrency", [1, 5])
def test_a_cancelled_run_cancels_its_handlers_at_once_and_their_messages_come_again(
    loops: Loops, concurrency: int
) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await _put(orders, 3)
        begun, cancelled = asyncio.Event(), asyncio.Event()

        async def hang(record: Record[Any]) -> None:
            if record.seq == 1:
                return
            begun.set()
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled.set()
                raise

        billing = orders.consumer("billing", concurrency=concurrency)
        running = asyncio.ensure_future(billing.run(hang))
        await begun.wait()
        began = asyncio.get_running_loop().time()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert cancelled.is_set()
        assert asyncio.get_running_loop().time() - began < 10
        await until(lambda: "outbox-billing" not in threads(), "the thread to end")

        rest = Handled()
        running = asyncio.ensure_future(billing.run(rest))
        await until(lambda: sorted(rest.seqs) == [2, 3], "what was not handled")
        billing.stop()
        await running

    loops.run(work)


def test_its_stop_lets_what_runs_end(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await _put(orders, 2)
        stop, go_on, handled = asyncio.Event(), asyncio.Event(), []

        async def handle(record: Record[Any]) -> None:
            stop.set()
            await go_on.wait()
            handled.append(record.seq)

        billing = orders.consumer("billing")
        running = asyncio.ensure_future(billing.run(handle, stop=stop))
        await stop.wait()
        await asyncio.sleep(0.1)
        assert not running.done()
        go_on.set()
        await running
        assert handled == [1]
        assert await billing.position() == 1

    loops.run(work)


def test_closing_the_outbox_ends_a_run(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        handle = Handled()
        await _put(orders, 1)
        running = asyncio.ensure_future(orders.consumer("billing").run(handle))
        await until(lambda: handle.seqs == [1], "the message")
        await orders.close()
        await running

    loops.run(work)


def test_nothing_is_left_of_a_run_in_a_loop_that_was_closed(loops: Loops) -> None:
    async def forgetful() -> None:
        client = loops.client()
        orders = AsyncOutbox(client[loops.database], messages=[OrderPlaced])
        await orders.create()
        await _put(orders, 1)
        handle = Handled()
        task = asyncio.ensure_future(orders.consumer("billing").run(handle))
        await until(lambda: handle.seqs == [1], "the message")
        assert not task.done()
        await client.close()

    loops.run_bare(forgetful())

    async def after() -> None:
        await until(lambda: gc.collect() >= 0 and threads() == [], "the threads to end")

    asyncio.run(after())


def test_a_plain_function_is_refused(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        for wrong in (lambda record: None, print, None, 3):
            handle: Any = wrong
            with pytest.raises(InvalidConsumer, match="async def"):
                await orders.consumer("billing").run(handle)

    loops.run(work)


def test_a_handler_for_the_other_way_to_run_and_a_stop_of_threads_are_refused(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        billing, handle, stop = orders.consumer("billing"), Handled(), threading.Event()

        async def in_transaction(record: object, session: object) -> None: ...

        with pytest.raises(InvalidConsumer, match="missing .* 'session'; give a function of a record$"):
            await billing.run(in_transaction)  # type: ignore[arg-type]
        with pytest.raises(InvalidConsumer, match="too many .*; give a function of a record and a session"):
            await billing.run_in_transaction(handle)  # type: ignore[arg-type]
        with pytest.raises(InvalidConsumer, match="give an asyncio.Event"):
            await billing.run(handle, stop=stop)  # type: ignore[arg-type]

    loops.run(work)


def test_it_says_how_far_it_is_and_can_be_reset(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await _put(orders, 3)
        await orders.sequence()
        billing = orders.consumer("billing")
        assert await billing.position() is None
        with pytest.raises(WaitTimeout, match="has not begun"):
            await billing.wait_caught_up(0.05)
        handle = Handled()
        running = asyncio.ensure_future(billing.run(handle))
        await billing.wait_caught_up(30)
        with pytest.raises(InvalidConsumer, match="runs already"):
            await billing.run(handle)
        billing.stop()
        await running
        assert await billing.reset(1) == 1
        assert await billing.position() == 1

    loops.run(work, sequence=False)


def test_a_handler_that_closes_its_outbox_is_not_waited_for(loops: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(orders: AsyncOutbox) -> None:
        returned, waited, close = threading.Event(), list[bool](), orders._outbox.close

        def closing() -> None:
            waited.append(returned.wait(30))
            close()

        async def handle(_: Record[Any]) -> None:
            await orders.close()
            returned.set()

        monkeypatch.setattr(orders._outbox, "close", closing)
        await _put(orders, 1)
        await orders.consumer("billing").run(handle)
        assert waited == [True]
        await until(lambda: threads() == [], "the threads to end")

    loops.run(work)

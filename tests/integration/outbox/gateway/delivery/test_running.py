"""A run of a consumer, for one connection after another."""

from __future__ import annotations

import asyncio

import pytest

from outbox import InvalidStart, Outbox
from outbox.gateway.answers import Refusal
from outbox.gateway.delivery.running import Running
from tests.actors.order_service import placed

pytestmark = pytest.mark.usefixtures("served")  # which keeps the threads that all readers share


def begun(orders: Outbox, name: str, start: object = "earliest") -> Running:
    running = Running(lambda record: True, 1 << 20)
    running.begin(orders.consumer(name, start=start, on_event=running.told))  # type: ignore[call-overload]  # a wrong one, too
    return running


async def ended(running: Running) -> None:
    running.leave()
    await asyncio.wait((running.ended,))


def test_it_gives_what_the_log_has_and_wakes_who_waits(orders: Outbox, name: str) -> None:
    orders.put(placed(1), standalone=True)

    async def main() -> None:
        running = begun(orders, name)
        await running.begun(name, 10)
        while not running.window.take(0, None, 1).entries:
            assert await running.changed(running._loop.time() + 10)
        await ended(running)
        assert running.is_over

    asyncio.run(main())


def test_a_start_that_is_none_is_told_to_who_waits(orders: Outbox, name: str) -> None:
    async def main() -> None:
        with pytest.raises(InvalidStart):
            await begun(orders, name, 10**9).begun(name, 10)

    asyncio.run(main())


def test_a_second_one_is_told_that_another_works(orders: Outbox, name: str) -> None:
    async def main() -> None:
        first = begun(orders, name)
        await first.begun(name, 10)
        second = begun(orders, name)
        with pytest.raises(Refusal, match="another connection"):
            await second.begun(name, 0.5)
        await ended(second)
        await ended(first)

    asyncio.run(main())


def test_a_paused_one_has_begun_and_gives_nothing(orders: Outbox, name: str) -> None:
    async def main() -> None:
        first = begun(orders, name)
        await first.begun(name, 10)
        await ended(first)
        orders.collections.cursors.update_one({"_id": f"consumer:{name}"}, {"$set": {"paused": True}})
        second = begun(orders, name)
        await second.begun(name, 10)
        assert second.is_paused
        await ended(second)

    asyncio.run(main())

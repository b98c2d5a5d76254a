"""Asynchronous handlers in transactions: their effects and the position commit together, or neither."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.database import Database

from outbox import AsyncOutbox, InvalidConsumer, PoisonMessage, Record
from tests.actors.asynchronous import Loops, threads, until
from tests.actors.order_service import MESSAGES, placed

Document = dict[str, Any]


@pytest.mark.parametrize("batch", [1, 10])
def test_effects_come_once_though_handlers_fail_after_them(
    loops: Loops, database: Database[Document], batch: int
) -> None:
    database.create_collection("bills")

    async def work(orders: AsyncOutbox) -> None:
        failures = {3, 7}

        async def bill(record: Record[Any], session: AsyncClientSession) -> None:
            await loops.opened[database.name].bills.insert_one({"seq": record.seq}, session=session)
            if record.seq in failures:
                failures.discard(record.seq)
                raise ValueError("after the effect")

        await orders.put([placed(number) for number in range(10)], standalone=True)
        billing = orders.consumer("billing")
        running = asyncio.ensure_future(billing.run_in_transaction(bill, batch=batch))
        await billing.wait_caught_up(30)
        billing.stop()
        await running
        assert await billing.position() == 10

    loops.run(work)

    assert [each["seq"] for each in database.bills.find(sort=[("_id", 1)])] == list(range(1, 11))
    assert database["outbox.cursors"].find_one({"_id": "consumer:billing", "session": {"$exists": True}}) is None


def test_what_is_put_into_another_outbox_goes_with_the_position(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        async with AsyncOutbox(loops.opened[database.name], "bills", messages=MESSAGES) as bills:
            await bills.create()

            async def bill(record: Record[Any], session: AsyncClientSession) -> None:
                await bills.put(placed(record.message.total), session=session)

            await orders.put([placed(1), placed(2)], standalone=True)
            billing = orders.consumer("billing")
            running = asyncio.ensure_future(billing.run_in_transaction(bill))
            await billing.wait_caught_up(30)
            billing.stop()
            await running
            await bills.sequence()
            assert [record.message.total async for record in bills.read()] == [1, 2]

    loops.run(work)


def test_a_cancelled_run_leaves_no_effect_and_no_open_transaction(loops: Loops, database: Database[Document]) -> None:
    database.create_collection("bills")

    async def work(orders: AsyncOutbox) -> None:
        begun = asyncio.Event()

        async def bill(record: Record[Any], session: AsyncClientSession) -> None:
            await loops.opened[database.name].bills.insert_one({"_id": record.seq}, session=session)
            begun.set()
            await asyncio.sleep(3600)

        await orders.put(placed(1), standalone=True)
        billing = orders.consumer("billing")
        running = asyncio.ensure_future(billing.run_in_transaction(bill))
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until(lambda: "outbox-billing" not in threads(), "the thread to end")
        database.bills.insert_one({"_id": 1})  # a transaction that was open would be in the way
        assert await billing.position() == 0

    loops.run(work)


def test_a_letter_that_was_sent_again_goes_with_its_effect(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        is_broken = True

        async def bill(record: Record[Any], session: AsyncClientSession) -> None:
            if is_broken:
                raise ValueError("not yet")

        await orders.put(placed(1), standalone=True)
        billing = orders.consumer("billing", attempts=1)
        running = asyncio.ensure_future(billing.run_in_transaction(bill))
        await until(lambda: database["outbox.dead"].count_documents({}) == 1, "it to be put aside")
        is_broken = False
        database["outbox.dead"].update_many({}, {"$set": {"requeued": True}})
        await until(lambda: database["outbox.dead"].count_documents({}) == 0, "it to be handled")
        billing.stop()
        await running

    loops.run(work)


def test_many_keys_at_a_time_are_refused(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        async def bill(record: Record[Any], session: AsyncClientSession) -> None: ...

        with pytest.raises(InvalidConsumer, match="do not go together"):
            await orders.consumer("billing", concurrency=2).run_in_transaction(bill)
        with pytest.raises(InvalidConsumer, match="batch"):
            await orders.consumer("billing").run_in_transaction(bill, batch=0)

    loops.run(work)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("end", [AsyncClientSession.abort_transaction, AsyncClientSession.commit_transaction])
def test_a_handler_that_ends_its_transaction_has_failed(
    loops: Loops, database: Database[Document], end: Callable[[AsyncClientSession], Awaitable[None]], batch: int
) -> None:
    database.create_collection("bills")

    async def work(orders: AsyncOutbox) -> None:
        async def bill(record: Record[Any], session: AsyncClientSession) -> None:
            await loops.opened[database.name].bills.insert_one({"seq": record.seq}, session=session)
            await end(session)

        await orders.put([placed(1), placed(2)], standalone=True)
        billing = orders.consumer("billing", attempts=1, on_poison="stop")
        with pytest.raises(PoisonMessage, match="ended the transaction"):
            await billing.run_in_transaction(bill, batch=batch)
        assert await billing.position() == 0

    loops.run(work)

    assert database.bills.count_documents({"seq": 2}) == 0

"""AsyncOutbox has what Outbox has, awaited where the server is asked."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from bson import Int64
from pymongo import AsyncMongoClient, MongoClient
from pymongo.database import Database

from outbox import AsyncOutbox, InvalidSelector, Outbox, OutboxClosed, OutboxNotCreated, Status, WaitTimeout
from tests.actors.asynchronous import Loops, threads, until
from tests.actors.order_service import DAY, MESSAGES, OrderPlaced, placed

Document = dict[str, Any]


def test_it_is_created_numbered_asked_and_dropped(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> Status:
        await orders.put([placed(1), placed(2)], standalone=True)
        assert await orders.sequence() == 2
        assert set(await orders.types()) == set(orders.json_schemas())
        status = await orders.status()
        await orders.drop()
        with pytest.raises(OutboxNotCreated):
            await orders.status()
        return status

    assert loops.run(work, sequence=False).head == 2
    assert database.list_collection_names() == ["outbox.leases"]


def test_a_message_is_found_and_its_readers_are_told(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        id = await orders.put(placed(1), standalone=True)
        assert (await orders.find(id)).place == "staging"
        await orders.sequence()
        assert (await orders.find(str(id))).seq == 1
        assert await orders.readers() == []
        with pytest.raises(InvalidSelector):
            await orders.find("no id")

    loops.run(work, sequence=False)


def test_waiting_for_a_reader_ends_in_time_and_says_where_the_message_is(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        id = await orders.put(placed(1), standalone=True)
        with pytest.raises(WaitTimeout, match="waits in staging") as timed_out:
            await orders.wait_for(id, "consumer:billing", 0.1)
        assert timed_out.value.location.place == "staging"

    loops.run(work, sequence=False)


def test_many_that_wait_for_a_reader_hold_no_thread(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        id = await orders.put(placed(1), standalone=True)
        await orders.sequence()
        waits = [asyncio.ensure_future(orders.wait_for(id, "consumer:billing", 30)) for _ in range(50)]
        assert (await orders.status()).head == 1, "the calls of others come in between"
        cursor = {"_id": "consumer:billing", "seq": 1, "created": DAY, "id": id, "fence": Int64(1)}
        database["outbox.cursors"].insert_one(cursor)
        await asyncio.gather(*waits)

    loops.run(work, sequence=False)


def test_cancelling_any_call_ends_at_once(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        id = await orders.put(placed(1), standalone=True)
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await orders.wait_for(id, "consumer:billing", 30)
        assert asyncio.get_running_loop().time() - began < 10

    loops.run(work, sequence=False)


def test_once_closed_it_is_refused_and_has_no_thread_and_no_client(
    loops: Loops, mongo: MongoClient[Document], database: Database[Document]
) -> None:
    async def work() -> None:
        async with loops.client() as client:
            orders = AsyncOutbox(client[database.name], messages=MESSAGES)
            await orders.create()
            await orders.close()
            await orders.close()
            with pytest.raises(OutboxClosed):
                await orders.put(placed(1), standalone=True)
            with pytest.raises(OutboxClosed):
                await orders.status()
            assert (await client.admin.command("ping"))["ok"] == 1, "the given client stays open"
            await until(lambda: threads() == [], "the threads to end")

    loops.run_bare(work())


def test_an_outbox_that_is_left_open_warns_of_nothing(loops: Loops) -> None:
    async def work() -> None:
        async with loops.client() as client:
            await AsyncOutbox(client[loops.database], messages=[OrderPlaced]).create()

    loops.run_bare(work())


def test_the_synchronous_client_has_the_settings_of_the_given_one(loops: Loops) -> None:
    async def work() -> None:
        async with loops.client() as client:
            assert AsyncOutbox(client[loops.database])._outbox.collections.client.options.pool_options.appname is None
        async with AsyncMongoClient[Document](loops.uri, appname="shop", maxPoolSize=7) as client:
            options = AsyncOutbox(client[loops.database])._outbox.collections.client.options
            assert (options.pool_options.max_pool_size, options.pool_options.appname) == (7, "shop")

    loops.run_bare(work())


def test_it_has_what_an_outbox_has() -> None:
    """With the same arguments. Left out: what a program hands to a durable reader of its own."""
    own = {"reader", "running", "check_usable", "collections", "log", "unattended"}
    for name, method in inspect.getmembers(Outbox, inspect.isfunction):
        if name.startswith("_") or name in own:
            continue
        asked, twin = (inspect.signature(each).parameters for each in (method, getattr(AsyncOutbox, name)))
        assert list(twin) == list(asked), name

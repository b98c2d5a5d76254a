"""Putting only what changes something, in the transactions of an asynchronous client; the rest: latest/test_changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from pymongo.database import Database

from outbox import AsyncOutbox, TransactionRequired
from tests.actors.asynchronous import Loops
from tests.actors.catalogue import MESSAGES, new_catalogue, price
from tests.actors.latest_view import keep, number

Document = dict[str, Any]
Work = Callable[[AsyncOutbox], Coroutine[Any, Any, None]]


def run(loops: Loops, database: Database[Document], work: Work) -> int:
    """Does the work with a catalogue whose view has ("a", 1), and returns how many messages are in staging then."""
    with new_catalogue(database) as outbox:
        number(outbox, price("a", 1))
        keep(outbox)

    loops.run(work, MESSAGES, sequence=False)
    return database["outbox.staging"].count_documents({})


@pytest.mark.parametrize("way", ["given", "bound"])
def test_it_sees_what_its_own_transaction_has_put(loops: Loops, database: Database[Document], way: str) -> None:
    async def put_all(catalogue: AsyncOutbox, **session: Any) -> None:
        assert await catalogue.put(price("a", 1), if_changed=True, **session) is None
        assert await catalogue.put(price("a", 2), if_changed=True, **session) is not None
        assert await catalogue.put(price("a", 2), if_changed=True, **session) is None
        changed = await catalogue.put([price("a", 1), price("a", 1)], if_changed=True, **session)
        assert [id is None for id in changed] == [False, True]

    async def work(catalogue: AsyncOutbox) -> None:
        session = loops.opened.start_session()
        if way == "given":
            async with session, await session.start_transaction():
                await put_all(catalogue, session=session)
        else:
            async with session.bind(), await session.start_transaction():
                await put_all(catalogue)

    assert run(loops, database, work) == 2


def test_an_abort_takes_it_back(loops: Loops, database: Database[Document]) -> None:
    async def work(catalogue: AsyncOutbox) -> None:
        async with loops.opened.start_session() as session:
            await session.start_transaction()
            assert await catalogue.put(price("a", 2), session=session, if_changed=True) is not None
            await session.abort_transaction()
        assert await catalogue.put(price("a", 2), standalone=True, if_changed=True) is not None

    assert run(loops, database, work) == 1


def test_it_needs_a_transaction_as_every_put_does(loops: Loops, database: Database[Document]) -> None:
    async def work(catalogue: AsyncOutbox) -> None:
        with pytest.raises(TransactionRequired):
            await catalogue.put(price("a", 1), if_changed=True)

    assert run(loops, database, work) == 0


def test_those_at_the_same_time_lose_no_change(loops: Loops, database: Database[Document]) -> None:
    """What is newest at the end is what somebody put last."""

    async def change(catalogue: AsyncOutbox, sku: str) -> None:
        for cents in range(6):
            await catalogue.put(price(sku, cents % 2), standalone=True, if_changed=True)

    async def work(catalogue: AsyncOutbox) -> None:
        await asyncio.gather(*(change(catalogue, f"k{number % 2}") for number in range(6)))
        while await catalogue.sequence():
            pass
        newest = {each.key: each.data["cents"] async for each in catalogue.read() if each.data}
        assert newest == {"a": 1, "k0": 1, "k1": 1}

    assert run(loops, database, work) == 0

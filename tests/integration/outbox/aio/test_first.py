"""The latest as an asynchronous iterator: the view a portion at a time, then the live records; no gap, no repeat."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pymongo.client_session import ClientSession

from outbox import AsyncOutbox, InvalidSelector, UnknownMessage, tombstone
from outbox.aio import AsyncRecords
from outbox.latest import view
from outbox.latest.view import LatestView
from tests.actors.asynchronous import Loops, threads, until
from tests.actors.catalogue import MESSAGES, BasketLine, Price, Viewed, line, price, viewed
from tests.actors.order_service import OrderPlaced


async def number(catalogue: AsyncOutbox, *messages: Any) -> None:
    """Puts and numbers messages, and waits until the view is kept up to them."""
    head = (await catalogue.status()).head + len(messages)
    await catalogue.put(list(messages), standalone=True)
    latest = LatestView(catalogue._outbox.collections)
    with catalogue._outbox.running():
        await until(lambda: latest.position() == head, "the view to be kept")


async def take(records: AsyncRecords, count: int) -> list[int]:
    async with asyncio.timeout(30):
        return [(await anext(records)).seq for _ in range(count)]


def test_the_newest_of_each_id_comes_first_and_then_what_is_put(loops: Loops) -> None:
    async def work(catalogue: AsyncOutbox) -> None:
        await number(catalogue, price("a", 1), price("b", 1), line("o1", 7, 1), viewed("x"), price("a", 2))
        await number(catalogue, tombstone(Price, key="b"))
        async with catalogue.latest() as records, catalogue.latest([BasketLine]) as lines:
            assert await take(records, 2) == [3, 5]
            messages = [price("c", 1), viewed("y"), tombstone(BasketLine, key="o1", line_id=7)]
            await catalogue.put(messages, standalone=True)
            assert await take(records, 2) == [7, 9]
            assert await take(lines, 2) == [3, 9]
        await until(lambda: threads() == [], "the threads to end")

    loops.run(work, MESSAGES)


def test_changes_while_it_is_read_come_once_and_after_it(loops: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "_PAGE", 2)

    async def work(catalogue: AsyncOutbox) -> None:
        await number(catalogue, *(price(sku, 1) for sku in "abcdef"))
        records = catalogue.latest()
        assert await take(records, 2) == [1, 2]
        await number(catalogue, price("f", 2), tombstone(Price, key="e"), price("a", 2))
        assert await take(records, 5) == [3, 4, 7, 8, 9]

    loops.run(work, MESSAGES)


def test_while_the_view_is_made_anew_it_waits_for_it(loops: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when the entries that are not there again yet count as none."""
    monkeypatch.setattr(view, "_PAGE", 2)
    position, behind = LatestView.position, []

    def lagging(self: LatestView, session: ClientSession | None = None) -> int | None:
        found = position(self, session)
        return behind.pop() if behind and session is not None else found

    async def work(catalogue: AsyncOutbox) -> None:
        await number(catalogue, *(price(sku, 1) for sku in "abcd"))
        records = catalogue.latest()
        assert await take(records, 2) == [1, 2]
        behind.extend([2, None])
        monkeypatch.setattr(LatestView, "position", lagging)
        entries = catalogue._outbox.collections.latest
        kept = list(entries.find({"seq": {"$gt": 2}}))
        entries.delete_many({"seq": {"$gt": 2}})
        rest = asyncio.ensure_future(take(records, 2))
        await until(lambda: not behind, "the view to be looked at")
        entries.insert_many(kept)
        assert await rest == [3, 4]

    loops.run(work, MESSAGES)


def test_it_holds_no_snapshot_between_two_portions(loops: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "_PAGE", 2)
    opened: list[ClientSession] = []
    read = LatestView.entries

    def watched(self: LatestView, *arguments: Any) -> Any:
        opened.append(arguments[-1])
        return read(self, *arguments)

    monkeypatch.setattr(LatestView, "entries", watched)

    async def work(catalogue: AsyncOutbox) -> None:
        await number(catalogue, *(price(sku, 1) for sku in "abcd"))
        records = catalogue.latest()
        assert await take(records, 1) == [1]
        assert [session.has_ended for session in opened] == [True]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await take(records, 10)
        assert all(session.has_ended for session in opened)

    loops.run(work, MESSAGES)


def test_a_type_that_is_not_compacted_has_no_latest(loops: Loops) -> None:
    async def work(catalogue: AsyncOutbox) -> None:
        with pytest.raises(InvalidSelector, match="'view': nothing keeps the latest"):
            await anext(catalogue.latest([Viewed]))
        with pytest.raises(UnknownMessage):
            catalogue.latest([OrderPlaced])
        with pytest.raises(InvalidSelector):
            catalogue.latest("price")

    loops.run(work, MESSAGES)

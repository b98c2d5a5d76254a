"""Asynchronous puts: in the transaction that is given or bound, in their own, and what they refuse."""

from __future__ import annotations

from typing import Any

import pymongo
import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from outbox import AsyncOutbox, InvalidMessage, OutboxNotCreated, TransactionRequired, UnknownMessage
from outbox.staging import insertion
from tests.actors.asynchronous import Loops, threads, until
from tests.actors.order_service import MESSAGES, OrderPlaced, placed

Document = dict[str, Any]


@pytest.fixture(params=["6.0 and later", "5.0"])
def servers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to notice that staging is gone."""
    if request.param == "5.0":
        monkeypatch.setattr(insertion, "_COMPARES_UUIDS", 1000)


def staged(database: Database[Document]) -> list[int]:
    return [each["data"]["total"] for each in database["outbox.staging"].find(sort=[("at", 1)])]


@pytest.mark.usefixtures("servers")
def test_a_put_commits_with_the_transaction_of_the_given_session(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        async with loops.opened.start_session() as session, await session.start_transaction():
            await orders.put(placed(1), session=session)
            await orders.put([placed(2), placed(3)], session=session)
            assert staged(database) == []

    loops.run(work, sequence=False)

    assert staged(database) == [1, 2, 3]


@pytest.mark.usefixtures("servers")
def test_an_aborted_transaction_leaves_nothing(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        async with loops.opened.start_session() as session:
            await session.start_transaction()
            await orders.put(placed(1), session=session)
            await session.abort_transaction()

    loops.run(work)

    assert staged(database) == []


def test_a_bound_session_is_joined_and_wins(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        client = loops.opened
        async with client.start_session() as other, client.start_session() as session, session.bind(end_session=False):
            await session.start_transaction()
            await orders.put(placed(1))
            await orders.put(placed(2), session=other)
            assert staged(database) == []
            await session.commit_transaction()

    loops.run(work, sequence=False)

    assert staged(database) == [1, 2]


def test_with_transaction_puts_in_its_transaction(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        async def placing(session: Any) -> None:
            await orders.put(placed(1), session=session)

        async with loops.opened.start_session() as session:
            await session.with_transaction(placing)

    loops.run(work, sequence=False)

    assert staged(database) == [1]


@pytest.mark.usefixtures("servers")
def test_a_standalone_put_is_an_insert_and_a_list_a_transaction(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> tuple[Any, Any]:
        one = await orders.put(placed(1), standalone=True, headers={"from": "web"})
        return one, await orders.put([placed(2), placed(3)], standalone=True)

    one, several = loops.run(work, sequence=False)

    assert [each["_id"] for each in database["outbox.staging"].find(sort=[("at", 1)])] == [one, *several]


def test_none_of_a_list_is_put_when_one_is_refused_by_the_server(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await orders.put(placed(0), standalone=True)
        database.command("collMod", "outbox.staging", validator={"data.total": {"$ne": 2}})
        with pytest.raises(InvalidMessage, match="validator refused"):
            await orders.put([placed(1), placed(2)], standalone=True)

    loops.run(work, sequence=False)

    assert staged(database) == [0]


def test_a_put_outside_a_transaction_is_refused_and_says_how_to_begin_one(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        with pytest.raises(TransactionRequired, match=r"await session.start_transaction\(\)"):
            await orders.put(placed(1))
        async with loops.opened.start_session() as session:
            with pytest.raises(TransactionRequired, match="the session has no transaction"):
                await orders.put(placed(1), session=session)
            async with await session.start_transaction():
                with pytest.raises(TransactionRequired, match="leave standalone out"):
                    await orders.put(placed(1), session=session, standalone=True)

    loops.run(work)


def test_a_session_of_another_kind_or_client_is_refused(loops: Loops, mongo: MongoClient[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        with mongo.start_session() as session, session.start_transaction():
            given: Any = session
            with pytest.raises(TransactionRequired, match="is a ClientSession, not an AsyncClientSession"):
                await orders.put(placed(1), session=given)
        async with loops.client() as other, other.start_session() as foreign, await foreign.start_transaction():
            with pytest.raises(TransactionRequired, match="of another AsyncMongoClient"):
                await orders.put(placed(1), session=foreign)

    loops.run(work)


def test_a_message_that_is_none_is_refused_before_the_server_is_asked(loops: Loops) -> None:
    async def work() -> None:
        async with loops.client() as client:
            orders = AsyncOutbox(client[loops.database], messages=[OrderPlaced])
            with pytest.raises(UnknownMessage):
                await orders.put(object(), standalone=True)  # type: ignore[call-overload]  # what a mistake looks like
            with pytest.raises(InvalidMessage):
                await orders.put(OrderPlaced(), standalone=True)

    loops.run_bare(work())


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("numbers", [(1,), (1, 2)])
def test_a_put_into_a_dropped_outbox_is_refused_and_makes_no_collection(
    loops: Loops, database: Database[Document], numbers: tuple[int, ...]
) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await orders.put(placed(0), standalone=True)
        database.client.drop_database(database.name)
        messages = [placed(number) for number in numbers]
        for _ in range(2):
            with pytest.raises(OutboxNotCreated, match=r"create\(\)"):
                await orders.put(messages if len(messages) > 1 else messages[0], standalone=True)
        assert database.list_collection_names() == []

    loops.run(work, sequence=False)


@pytest.mark.usefixtures("servers")
def test_putting_goes_on_once_the_outbox_is_made_anew(loops: Loops, database: Database[Document]) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await orders.put(placed(0), standalone=True)
        database.client.drop_database(database.name)
        async with AsyncOutbox(loops.opened[database.name], messages=MESSAGES) as another:
            await another.create()
        await orders.put(placed(1), standalone=True)
        async with loops.opened.start_session() as session, await session.start_transaction():
            await orders.put(placed(2), session=session)

    loops.run(work, sequence=False)

    assert staged(database) == [1, 2]


def test_the_caller_s_time_limit_holds_for_a_put(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await orders.put(placed(0), standalone=True)
        with pymongo.timeout(0.000_001), pytest.raises(pymongo.errors.PyMongoError):
            await orders.put(placed(1), standalone=True)

    loops.run(work)


def test_a_write_conflict_of_the_transaction_passes_through_so_that_it_is_tried_again(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        async with loops.opened.start_session() as session:
            await session.start_transaction()
            await orders.put(placed(1), session=session)
            await loops.opened[loops.database].command("killSessions", [session.session_id])
            with pytest.raises(OperationFailure) as failed:
                await orders.put(placed(2), session=session)
            assert failed.value.has_error_label("TransientTransactionError")
            await session.abort_transaction()

    loops.run(work)


def test_putting_needs_no_thread(loops: Loops) -> None:
    async def work() -> None:
        async with loops.outbox():
            pass
        await until(lambda: threads() == [], "the threads to end")
        async with loops.client() as client:
            orders = AsyncOutbox(client[loops.database], messages=[OrderPlaced])
            for number in range(10):
                await orders.put(placed(number), standalone=True)
            assert threads() == []
            await orders.close()

    loops.run_bare(work())

"""An asynchronous inbox tells once of each message, in the transaction of what is done about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from outbox import AsyncInbox, AsyncOutbox, InboxNotCreated, InvalidDatabase, InvalidInboxEntry, TransactionRequired
from tests.actors.asynchronous import Loops


def test_a_message_is_new_once_for_each_consumer_and_an_abort_forgets_it(loops: Loops) -> None:
    async def work(_: AsyncOutbox) -> None:
        inbox = AsyncInbox(loops.opened[loops.database], keep=timedelta(hours=1))
        await inbox.create()
        await inbox.create()
        answers = []
        async with loops.opened.start_session() as session:
            await session.start_transaction()
            answers.append(await inbox.once("a", session=session))
            await session.abort_transaction()
            async with session.bind(end_session=False):
                await session.start_transaction()
                answers += [await inbox.once("a"), await inbox.once("a"), await inbox.once("a", "other")]
                await session.commit_transaction()
        assert answers == [True, True, False, True]

    loops.run(work)


def test_what_is_wrong_is_refused(loops: Loops) -> None:
    async def work(_: AsyncOutbox) -> None:
        database = loops.opened[loops.database]
        inbox = AsyncInbox(database)
        with pytest.raises(TransactionRequired, match="await session.start_transaction"):
            await inbox.once("a")
        async with loops.opened.start_session() as session:
            await session.start_transaction()
            with pytest.raises(InboxNotCreated, match="create"):
                await inbox.once("a", session=session)
            with pytest.raises(InvalidInboxEntry):
                await inbox.once("", session=session)
        with pytest.raises(InvalidInboxEntry):
            AsyncInbox(database, keep=timedelta(0))
        wrong: Any = "shop"
        with pytest.raises(InvalidDatabase, match="AsyncInbox"):
            AsyncInbox(wrong)

    loops.run(work)

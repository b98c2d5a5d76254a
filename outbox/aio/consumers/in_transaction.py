"""Handles records with coroutines, in transactions of an AsyncMongoClient that move the reader's position, too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from pymongo import ReadPreference
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern

from outbox.aio.consumers.handlers import HandlerCancelled, Handlers
from outbox.consumers.in_transaction import InTransaction, check_open, one_by_one
from outbox.consumers.in_turn import Terms
from outbox.log.record import Record
from outbox.mongo.calls import Write, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.holder_session import Sessions
from outbox.staging.insertion import MAJORITY

AsyncHandleInTransaction = Callable[[Record[Any], AsyncClientSession], Awaitable[object]]


class AsyncInTransaction(InTransaction):
    """Decides as InTransaction does, and works in the loop: the sessions, the handlers, and the commit."""

    def __init__(
        self,
        handle: AsyncHandleInTransaction,
        batch: int,
        terms: Terms,
        handlers: Handlers,
        database: AsyncDatabase[Document],
    ) -> None:
        super().__init__(one_by_one(_nothing), batch, terms)
        self.sessions = Sessions(self._started, self._end)
        self._handle = handle
        self._handlers = handlers
        self._database = database

    def another(self) -> AsyncInTransaction:
        return AsyncInTransaction(self._handle, self._batch, self._terms, self._handlers, self._database)

    def _transact(self, records: Sequence[Record[Any]]) -> None:
        assert self.delivery is not None, "the reader's configuration sets it"
        session, writes = self.delivery.session(), self.delivery.writes(records)
        self._handlers.run(partial(self._transact_async, session, records, writes))
        self.delivery.committed()

    async def _transact_async(
        self, session: AsyncClientSession, records: Sequence[Record[Any]], writes: Sequence[Write]
    ) -> None:
        async def work(session: AsyncClientSession) -> None:
            for record in records:
                await self._handle(record, session)
                check_open(session)
            for write in writes:
                await self._send(write, session)

        await session.with_transaction(
            work,
            read_concern=ReadConcern("snapshot"),
            write_concern=MAJORITY,
            read_preference=ReadPreference.PRIMARY,
        )

    async def _send(self, write: Write, session: AsyncClientSession) -> None:
        collection = self._database[write.collection.name]
        with time_limit():
            if write.update is None:
                await collection.delete_many(write.filter, session=session)
            else:
                write.check((await collection.update_one(write.filter, write.update, session=session)).matched_count)

    def _started(self) -> AsyncClientSession:
        async def start() -> AsyncClientSession:
            session = self._database.client.start_session()
            assert session.session_id  # which gives it its id, in the loop
            return session

        return self._handlers.run(start)

    def _end(self, session: AsyncClientSession) -> None:
        try:
            self._handlers.run(session.end_session, also_when_cancelled=True)
        except (HandlerCancelled, RuntimeError):  # the loop is closed, or is closing: the server ends it in its time
            return


def _nothing(record: Record[Any], session: object) -> None:
    """Is never called: the handlers are coroutines."""

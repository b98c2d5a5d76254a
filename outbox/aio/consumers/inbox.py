"""The inbox for asyncio: remembers a message in the transaction of an AsyncMongoClient."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from outbox.aio.database import majority_async_database, synchronous_twin
from outbox.aio.threads import Threads
from outbox.consumers.inbox import ASYNC_OUTSIDE, REMEMBERED, Inbox, entry_id, has_index, not_created
from outbox.mongo.calls import time_limit
from outbox.mongo.pymongo_internals import no_bound_async_session
from outbox.staging.transaction import check_client, joined_async


class AsyncInbox:
    """Remembers which messages were handled, as Inbox does, in transactions of a pymongo.AsyncMongoClient.

    Takes what Inbox takes. For one event loop. Raises InvalidDatabase, InvalidName and InvalidInboxEntry.
    """

    def __init__(
        self, database: AsyncDatabase[Any], name: str = "inbox", *, keep: timedelta = timedelta(days=30)
    ) -> None:
        own = majority_async_database(database, "AsyncInbox")
        self._database = database
        Inbox(synchronous_twin(database), name, keep=keep)  # which refuses what is wrong with them
        self.name = name
        self._keep = keep
        self._client = own.client
        self._entries = own[name]
        self._is_ready = False

    async def create(self) -> None:
        """Makes the collection and its index, as Inbox.create; by a client of its own, which is closed again."""

        def create() -> None:
            with synchronous_twin(self._database).client as client:
                Inbox(client[self._database.name], self.name, keep=self._keep).create()

        await Threads(1, f"outbox-async-{self.name}").call(create)

    async def once(
        self,
        message_id: ObjectId | str | bytes,
        consumer: str = "default",
        *,
        session: AsyncClientSession | None = None,
    ) -> bool:
        """Tells whether this consumer sees the message for the first time, and remembers it with the transaction, as
        Inbox.once. session: given, or bound in this task; a bound one wins."""
        entry = entry_id(message_id, consumer)
        wanted = joined_async(session, standalone=False, missing=ASYNC_OUTSIDE)
        assert wanted is not None
        check_client(wanted, self._client, "AsyncInbox")
        await self._check_ready()
        found = await self._entries.update_one({"_id": entry}, REMEMBERED, upsert=True, session=wanted)
        return found.matched_count == 0

    async def _check_ready(self) -> None:
        if self._is_ready:
            return
        with no_bound_async_session(), time_limit():
            if not has_index(await self._entries.index_information()):
                raise not_created(self._entries.full_name, "AsyncInbox")
        self._is_ready = True

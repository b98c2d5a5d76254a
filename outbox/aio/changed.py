"""Asks, in an asynchronous transaction, which messages of a put would change something."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from outbox.aio.synchronous import Synchronous
from outbox.latest.changed import ChangedOnly
from outbox.mongo.calls import Find, time_limit
from outbox.mongo.codec import RAW, Document


class AsyncChangedOnly:
    """Leaves out what ChangedOnly leaves out, which decides: this asks for it. The log is read on a thread."""

    def __init__(self, sync: Synchronous, database: AsyncDatabase[Document], compactions: Mapping[str, str]) -> None:
        """compactions: of the message classes of this process."""
        self._sync = sync
        self._database = database
        self._changed = ChangedOnly(sync.outbox.collections, compactions)

    async def __call__(self, encoded: Mapping[ObjectId, bytes], session: AsyncClientSession) -> set[ObjectId]:
        """Returns the ids of those to put. Raises pymongo's errors."""
        messages = self._changed.messages(encoded)
        answers = [await self._ask(find, session) for find in self._changed.questions(messages)]
        cluster_time, seen = session.cluster_time, session.operation_time
        logged = await self._sync.call(partial(self._changed.log_after, answers, cluster_time, seen))
        return self._changed.choose(messages, answers, logged)

    async def _ask(self, find: Find, session: AsyncClientSession) -> list[RawBSONDocument]:
        collection = self._database[find.collection.name].with_options(codec_options=RAW)
        with time_limit():
            return await collection.find(**find.options, session=session).to_list()

"""Puts messages by the asynchronous driver itself; what is decided about a put stands in outbox.staging."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern

from outbox.messages.message_types import MessageTypes
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections, collection_info
from outbox.mongo.patience import CALL_SECONDS
from outbox.mongo.pymongo_internals import checked_reply, no_bound_async_session, own_limit, retried_async
from outbox.staging.compacted import check_compacted, compacted
from outbox.staging.insertion import (
    MAJORITY,
    NO_INDEX,
    NO_SUCH_UUID,
    TRANSACTION_SECONDS,
    Gone,
    Place,
    gone_if,
    parts,
    place,
)
from outbox.staging.put import count_put, dropped, dropped_again, encode, refusals_explained
from outbox.staging.transaction import check_client, joined_async

T = TypeVar("T")

AsyncChanged = Callable[[Mapping[ObjectId, bytes], AsyncClientSession], Awaitable[set[ObjectId]]]
"""Chooses, in a transaction, those of some encoded messages that change anything."""


@dataclass(frozen=True)
class _AsyncPlace:
    """Sends what a Place makes, as it does."""

    place: Place
    database: AsyncDatabase[Document]

    async def insert(self, documents: list[RawBSONDocument], session: AsyncClientSession) -> None:
        if not self.place.compares:
            await self.database[self.place.collections.staging.name].insert_many(documents, session=session)
            with gone_if(NO_INDEX):
                await self._run(self.place.index_look(), session)
            return
        for part in parts(documents):
            with gone_if(NO_SUCH_UUID):
                checked_reply(await self._run(self.place.command(part), session))

    async def insert_alone(self, document: RawBSONDocument, seconds: float | None) -> None:
        if not self.place.compares:
            seconds = CALL_SECONDS if seconds is None else seconds
            await self.transact(lambda session: self.insert([document], session), seconds)
            return
        with gone_if(NO_SUCH_UUID), time_limit(seconds):
            await retried_async(self.database, self.place.command([document]), MAJORITY)

    async def transact(self, work: Callable[[AsyncClientSession], Awaitable[T]], seconds: float | None) -> T:
        """Does `work` in a transaction of its own, as outbox.mongo.calls.transaction does."""
        with time_limit(TRANSACTION_SECONDS if seconds is None else seconds):
            async with self.database.client.start_session() as session:
                return await session.with_transaction(
                    work,
                    read_concern=ReadConcern("snapshot"),
                    write_concern=MAJORITY,
                    read_preference=ReadPreference.PRIMARY,
                )

    async def _run(self, command: Document, session: AsyncClientSession) -> Document:
        return await self.database.command(command, session=session, read_preference=ReadPreference.PRIMARY)


class AsyncPutter:
    """Writes messages into staging, as outbox.staging.put.Putter does. For one event loop."""

    def __init__(
        self, database: AsyncDatabase[Document], collections: Collections, types: MessageTypes, max_message_bytes: int
    ) -> None:
        """collections: the outbox's, for their names; they are not asked."""
        self._database = database
        self._collections = collections
        self._types = types
        self._max_message_bytes = max_message_bytes
        self._place: _AsyncPlace | None = None

    async def put(
        self,
        messages: Sequence[object],
        session: AsyncClientSession | None,
        headers: Mapping[str, str] | None,
        *,
        standalone: bool,
    ) -> list[ObjectId]:
        """Puts all of the messages or none, and returns their ids. Raises as `Outbox.put` says."""
        session = self._joined(session, standalone)
        encoded = encode(messages, headers, self._types, self._max_message_bytes)
        if not encoded:
            return []
        documents = [RawBSONDocument(document) for document in encoded.values()]
        with refusals_explained():
            if session is None:
                await self._apart(lambda: self._try_apart(documents))
            else:
                await self._within(lambda place: place.insert(documents, session))
        count_put(self._collections.tally, messages, list(encoded), self._types)
        return list(encoded)

    async def put_changed(
        self,
        messages: Sequence[object],
        session: AsyncClientSession | None,
        headers: Mapping[str, str] | None,
        *,
        standalone: bool,
        changed: AsyncChanged,
    ) -> list[ObjectId | None]:
        """Puts those that `changed` chooses, in a transaction also when standalone; returns None for the others."""
        session = self._joined(session, standalone)
        encoded = encode(messages, headers, self._types, self._max_message_bytes)
        check_compacted(compacted(document, self._types.compactions) for document in encoded.values())

        async def insert(place: _AsyncPlace, session: AsyncClientSession) -> set[ObjectId]:
            chosen = await changed(encoded, session)
            if chosen:
                await place.insert([RawBSONDocument(each) for id, each in encoded.items() if id in chosen], session)
            return chosen

        async def insert_apart() -> set[ObjectId]:
            place = await self._known()
            return await place.transact(lambda session: insert(place, session), own_limit(self._database.client))

        if not encoded:
            return []
        with refusals_explained():
            if session is None:
                chosen = await self._apart(insert_apart)
            else:
                chosen = await self._within(lambda place: insert(place, session))
        ids = [id if id in chosen else None for id in encoded]
        count_put(self._collections.tally, messages, ids, self._types)
        return ids

    def forget(self) -> None:
        """Makes the next put look at staging again."""
        self._place = None

    def _joined(self, session: AsyncClientSession | None, standalone: bool) -> AsyncClientSession | None:
        session = joined_async(session, standalone=standalone)
        if session is not None:
            check_client(session, self._database.client, "AsyncOutbox")
        return session

    async def _within(self, insert: Callable[[_AsyncPlace], Awaitable[T]]) -> T:
        try:
            return await insert(await self._known())
        except Gone as gone:
            self.forget()
            raise dropped(self._collections) from gone

    async def _apart(self, insert: Callable[[], Awaitable[T]]) -> T:
        with no_bound_async_session():
            try:
                return await insert()
            except Gone:
                self.forget()  # a second look sees whether staging was made anew
                try:
                    return await insert()
                except Gone as gone:
                    raise dropped_again(self._collections) from gone

    async def _try_apart(self, documents: list[RawBSONDocument]) -> None:
        known, limit = await self._known(), own_limit(self._database.client)
        if len(documents) == 1:
            await known.insert_alone(documents[0], limit)
        else:
            await known.transact(lambda session: known.insert(documents, session), limit)

    async def _known(self) -> _AsyncPlace:
        known = self._place
        if known is None:
            with no_bound_async_session():  # listing collections is not allowed inside a transaction
                self._place = known = await self._look()
        return known

    async def _look(self) -> _AsyncPlace:
        staging = self._collections.staging.name
        with time_limit():
            listed = await (await self._database.list_collections(filter={"name": staging})).to_list()
            wire = (await self._database.client.admin.command("hello"))["maxWireVersion"]
        info = collection_info(listed[0]) if listed else None
        return _AsyncPlace(place(self._collections, info, wire, self._types.versioned_schemas()), self._database)

"""Puts messages by the asynchronous driver itself; what is decided about a put stands in outbox.staging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from outbox.staging.put import dropped, dropped_again, encode, refusals_explained
from outbox.staging.transaction import check_client, joined_async


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
            await self.insert_together([document], CALL_SECONDS if seconds is None else seconds)
            return
        with gone_if(NO_SUCH_UUID), time_limit(seconds):
            await retried_async(self.database, self.place.command([document]), MAJORITY)

    async def insert_together(self, documents: list[RawBSONDocument], seconds: float | None) -> None:
        with time_limit(TRANSACTION_SECONDS if seconds is None else seconds):
            async with self.database.client.start_session() as session:
                await session.with_transaction(
                    lambda session: self.insert(documents, session),
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
        session = joined_async(session, standalone=standalone)
        if session is not None:
            check_client(session, self._database.client, "AsyncOutbox")
        encoded = encode(messages, headers, self._types, self._max_message_bytes)
        if not encoded:
            return []
        documents = [RawBSONDocument(document) for document in encoded.values()]
        with refusals_explained():
            if session is None:
                with no_bound_async_session():
                    await self._insert_apart(documents)
            else:
                await self._insert(documents, session)
        return list(encoded)

    def forget(self) -> None:
        """Makes the next put look at staging again."""
        self._place = None

    async def _insert(self, documents: list[RawBSONDocument], session: AsyncClientSession) -> None:
        try:
            await (await self._known()).insert(documents, session)
        except Gone as gone:
            self.forget()
            raise dropped(self._collections) from gone

    async def _insert_apart(self, documents: list[RawBSONDocument]) -> None:
        try:
            await self._try_apart(documents)
        except Gone:
            self.forget()  # a second look sees whether staging was made anew
            try:
                await self._try_apart(documents)
            except Gone as gone:
                raise dropped_again(self._collections) from gone

    async def _try_apart(self, documents: list[RawBSONDocument]) -> None:
        known, limit = await self._known(), own_limit(self._database.client)
        if len(documents) == 1:
            await known.insert_alone(documents[0], limit)
        else:
            await known.insert_together(documents, limit)

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
        return _AsyncPlace(place(self._collections, info, wire, self._types.names), self._database)

"""A writer as write.py, by asyncio: all its threads write by one AsyncMongoClient, in one event loop."""

from __future__ import annotations

import argparse
import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from bson import ObjectId
from entry import Entry
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import ConfigurationError, PyMongoError
from write import SETTINGS, Writes, entries_of, main, say_aborted, say_committed, say_ended

from outbox import AsyncOutbox


class AsyncWriter:
    def __init__(self, loop: asyncio.AbstractEventLoop, client: AsyncMongoClient, database: str, padding: int) -> None:
        self._loop = loop
        self._client = client
        self._accounts = client[database].accounts
        self._outbox = AsyncOutbox(client[database], messages=[Entry], sequence=False)
        self._padding = "x" * padding

    def commit(self, account: str, size: int) -> None:
        self._wait(self._commit(account, size))

    def abort(self, account: str, size: int) -> None:
        self._wait(self._abort(account, size))

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _commit(self, account: str, size: int) -> None:
        try:
            async with self._client.start_session() as session:
                written = await session.with_transaction(lambda session: self._write(session, account, size))
        except ConfigurationError as error:  # see outbox.mongo.server_errors: the driver could not even abort it
            say_ended("committed", error)
            return
        say_committed(account, written)

    async def _abort(self, account: str, size: int) -> None:
        written: dict[int, ObjectId] = {}
        try:
            async with self._client.start_session() as session, await session.start_transaction():
                written = await self._write(session, account, size)
                await session.abort_transaction()
        except PyMongoError as error:
            say_ended("aborted", error)
        say_aborted(written)

    async def _write(self, session: AsyncClientSession, account: str, size: int) -> dict[int, ObjectId]:
        after = await self._accounts.find_one_and_update(
            {"_id": account}, {"$inc": {"entries": size}}, return_document=True, session=session
        )
        entries = entries_of(account, size, after["entries"], self._padding)
        return dict(zip(entries, await self._outbox.put([*entries.values()], session=session), strict=True))

    async def close(self) -> None:
        await self._outbox.close()
        await self._client.close()


@contextmanager
def writer(given: argparse.Namespace) -> Iterator[Writes]:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def opened() -> AsyncWriter:
        return AsyncWriter(loop, AsyncMongoClient(given.uri, **SETTINGS), given.database, given.padding)

    writes = asyncio.run_coroutine_threadsafe(opened(), loop).result()
    try:
        yield writes
    finally:
        asyncio.run_coroutine_threadsafe(writes.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)


if __name__ == "__main__":
    main(writer)

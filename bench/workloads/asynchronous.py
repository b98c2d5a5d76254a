"""Measures the asynchronous face beside the bare AsyncMongoClient: `put`, a list of them, and `observe`."""

from __future__ import annotations

import asyncio
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.read_concern import ReadConcern

from bench.rig.benchmark import Figures, InTurns, Round, pairs
from bench.rig.messages import HEADERS, TYPES, document
from bench.rig.stage import Stage, plain, twin
from bench.workloads.puts import LIST, part
from outbox import AsyncOutbox
from outbox.mongo.codec import DECODED


class AsyncPut:
    """One message, one write."""

    bare_is = "insert_one of AsyncMongoClient, no validator"

    def __init__(self, stage: Stage, size: int = 1) -> None:
        """size: of the list that is put at a time; 1 for a message alone."""
        self._stage = stage
        self._size = size
        self._messages = stage.load.some(stage.load.part(20 if size == 1 else 5))
        if size > 1:
            self.bare_is = (
                f"insert_many of {size} of AsyncMongoClient in a transaction, under staging's validator and index"
            )

    def round(self) -> Round:
        with self._stage.outbox() as outbox, asyncio.Runner() as runner:
            database = outbox.collections.database
            bare = plain(database) if self._size == 1 else twin(outbox)
            client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self._stage.mongo)
            orders = AsyncOutbox(client[database.name], messages=list(TYPES), sequence=False)
            collection = client[database.name].get_collection(bare.name, write_concern=bare.write_concern)
            documents = [document(message) for message in self._messages]

            async def put(number: int) -> None:
                if self._size == 1:
                    await orders.put(self._messages[number], headers=HEADERS, standalone=True)
                else:
                    await orders.put(part(self._messages, number), headers=HEADERS, standalone=True)

            async def insert(number: int) -> None:
                if self._size == 1:
                    await collection.insert_one(documents[number])
                    return
                async with client.start_session() as session, await session.start_transaction():
                    await collection.insert_many(part(documents, number), session=session)

            async def end() -> None:
                await orders.close()
                await client.close()

            try:
                runner.run(orders.put(self._messages[0], headers=HEADERS, standalone=True))  # which checks the outbox
                metric = "put ms" if self._size == 1 else f"list of {self._size} ms"
                count = -(-len(self._messages) // self._size)
                return pairs(metric, count, lambda n: runner.run(put(n)), lambda n: runner.run(insert(n)))
            finally:
                runner.run(end())


class AsyncPutList(AsyncPut):
    """Lists of messages, each list in a transaction of its own."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage, LIST)


class AsyncObserve(InTurns):
    """A loop that does nothing with what it gets, from the oldest record to the head."""

    bare_is = "find of AsyncMongoClient over the log, a dict a record"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        database, last = self._stage.full.collections.database.name, self._stage.load.messages

        async def observe() -> Figures:
            async with (
                AsyncMongoClient[dict[str, Any]](self._stage.mongo) as client,
                AsyncOutbox(client[database], sequence=False) as orders,
            ):
                began = asyncio.get_running_loop().time()
                async for record in orders.observe("earliest"):
                    if record.seq == last:
                        break
                return _rate(last, asyncio.get_running_loop().time() - began)

        return asyncio.run(observe())

    def bare(self) -> Figures:
        collection = self._stage.full.collections.log

        async def find() -> Figures:
            async with AsyncMongoClient[dict[str, Any]](self._stage.mongo) as client:
                log = client[collection.database.name].get_collection(
                    collection.name, codec_options=DECODED, read_concern=ReadConcern("majority")
                )
                seen, began = 0, asyncio.get_running_loop().time()
                async for batch in log.find({"_id": {"$gt": 0}}):
                    for _ in batch["records"]:
                        seen += 1
                return _rate(seen, asyncio.get_running_loop().time() - began)

        return asyncio.run(find())


def _rate(count: int, seconds: float) -> Figures:
    return {"messages/s": count / seconds}

"""What every face of an outbox promises of a put: Outbox, AsyncOutbox and MemoryOutbox, by one text."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.database import Database

from outbox import AsyncOutbox, InvalidHeaders, InvalidMessage, MessageTooLarge, Outbox, TransactionRequired
from outbox.errors import UnknownMessage
from outbox.testing import MemoryOutbox
from tests.actors.order_service import MESSAGES, OrderPlaced, placed

Document = dict[str, Any]


class Face(ABC):
    """Puts, and shows what was put, as a reader of the log sees it."""

    @abstractmethod
    def put(self, message: Any, **options: Any) -> Any: ...

    @abstractmethod
    def records(self) -> list[Any]: ...


class Synchronous(Face):
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def put(self, message: Any, **options: Any) -> Any:
        return self._outbox.put(message, **options)

    def records(self) -> list[Any]:
        self._outbox.sequence()
        return list(self._outbox.read())


class Asynchronous(Face):
    def __init__(self, runner: asyncio.Runner, outbox: AsyncOutbox) -> None:
        self._runner = runner
        self._outbox = outbox

    def put(self, message: Any, **options: Any) -> Any:
        return self._runner.run(self._outbox.put(message, **options))

    def records(self) -> list[Any]:
        async def read() -> list[Any]:
            await self._outbox.sequence()
            return [record async for record in self._outbox.read()]

        return self._runner.run(read())


class InMemory(Face):
    def __init__(self) -> None:
        self._outbox = MemoryOutbox(messages=MESSAGES)

    def put(self, message: Any, **options: Any) -> Any:
        return self._outbox.put(message, **options)

    def records(self) -> list[Any]:
        return self._outbox.records


@pytest.fixture(params=["Outbox", "AsyncOutbox", "MemoryOutbox"])
def face(request: pytest.FixtureRequest, database: Database[Document], mongo_uri: str) -> Iterator[Face]:
    if request.param == "MemoryOutbox":
        yield InMemory()
        return
    with Outbox(database, messages=MESSAGES, sequence=False) as outbox:
        outbox.create()
        if request.param == "Outbox":
            yield Synchronous(outbox)
            return
    with asyncio.Runner() as runner:
        client: AsyncMongoClient[Document] = AsyncMongoClient(mongo_uri)
        orders = AsyncOutbox(client[database.name], messages=MESSAGES, sequence=False)
        yield Asynchronous(runner, orders)
        runner.run(orders.close())
        runner.run(client.close())


def test_one_message_has_one_id_and_a_list_a_list_of_them_in_order(face: Face) -> None:
    ids = [face.put(placed(1), standalone=True), *face.put([placed(2), placed(3)], standalone=True)]

    records = face.records()

    assert [record.id for record in records] == ids
    assert [record.seq for record in records] == [1, 2, 3]
    assert [record.message.total for record in records] == [1, 2, 3]
    assert face.put([], standalone=True) == []


def test_a_record_has_what_was_put(face: Face) -> None:
    face.put(placed(1, "a"), standalone=True, headers={"from": "web"})

    [record] = face.records()

    assert (record.type, record.key, record.headers) == ("order.placed", "a", {"from": "web"})
    assert isinstance(record.message, OrderPlaced)


@pytest.mark.parametrize(
    ("message", "options", "error"),
    [
        (placed(1), {}, TransactionRequired),
        (placed(1), {"session": "text"}, TransactionRequired),
        (placed(1), {"session": MongoClient(connect=False)}, TransactionRequired),
        (placed(1), {"session": MongoClient(connect=False).start_session}, TransactionRequired),
        (placed(1), {"session": AsyncMongoClient(connect=False), "standalone": True}, TransactionRequired),
        (object(), {"standalone": True}, UnknownMessage),
        ("text", {"standalone": True}, UnknownMessage),
        (OrderPlaced(), {"standalone": True}, InvalidMessage),
        ([placed(1), placed(-1)], {"standalone": True}, InvalidMessage),
        (placed(1), {"standalone": True, "headers": {"seq": "1"}}, InvalidHeaders),
        (placed(1, note="x" * 1_000_000), {"standalone": True}, MessageTooLarge),
    ],
)
def test_what_is_refused_leaves_nothing(face: Face, message: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        face.put(message, **options)

    assert face.records() == []

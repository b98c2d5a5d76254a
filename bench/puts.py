"""Putting beside plain inserts of the same documents. The messages and documents are made before the clock starts."""

from __future__ import annotations

from typing import Any

from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from bench.benchmark import Figures, throughput
from bench.messages import HEADERS, Sent, document
from bench.stage import Stage, plain
from outbox import Outbox

LIST = 100


class Put:
    """One message, one write."""

    name = "put"
    bare_is = "insert_one, no validator"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._messages = stage.load.some(stage.load.part(20))

    def ours(self) -> Figures:
        with self._stage.outbox() as outbox:
            _first(outbox, self._messages[0])
            return throughput(
                len(self._messages), lambda: [outbox.put(each, headers=HEADERS) for each in self._messages]
            )

    def bare(self) -> Figures:
        documents = [document(each) for each in self._messages]
        with self._stage.database() as database:
            collection = plain(database)
            return throughput(len(documents), lambda: [collection.insert_one(each) for each in documents])


class PutBesideData:
    """What the outbox is for: a transaction with a business write and one message."""

    name = "put-transaction"
    bare_is = "two insert_one in a transaction"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._messages = stage.load.some(stage.load.part(50))

    def ours(self) -> Figures:
        with self._stage.outbox() as outbox:
            _first(outbox, self._messages[0])
            business = plain(outbox.collections.database, "orders")

            def place(each: Sent, session: ClientSession) -> None:
                business.insert_one({"order": each.order_id}, session=session)
                outbox.put(each, session=session, headers=HEADERS)

            return throughput(len(self._messages), lambda: self._transactions(self._messages, place))

    def bare(self) -> Figures:
        documents = [document(each) for each in self._messages]
        with self._stage.database() as database:
            business, collection = plain(database, "orders"), plain(database)

            def place(each: dict[str, Any], session: ClientSession) -> None:
                business.insert_one({"order": each["key"]}, session=session)
                collection.insert_one(each, session=session)

            return throughput(len(documents), lambda: self._transactions(documents, place))

    def _transactions(self, things: list[Any], place: Any) -> None:
        with self._stage.client.start_session() as session:
            for each in things:
                with session.start_transaction():
                    place(each, session)


class PutList:
    """Lists of messages, each list in a transaction of its own."""

    name = "put-list"
    bare_is = f"insert_many of {LIST} in a transaction"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._messages = stage.load.some(stage.load.part(5))

    def ours(self) -> Figures:
        with self._stage.outbox() as outbox:
            _first(outbox, self._messages[0])
            lists = _lists(self._messages)
            return throughput(len(self._messages), lambda: [outbox.put(each, headers=HEADERS) for each in lists])

    def bare(self) -> Figures:
        lists = _lists([document(each) for each in self._messages])
        with self._stage.database() as database:
            collection = plain(database)
            return throughput(len(self._messages), lambda: self._insert(collection, lists))

    def _insert(self, collection: Collection[dict[str, Any]], lists: list[list[dict[str, Any]]]) -> None:
        with self._stage.client.start_session() as session:
            for documents in lists:
                with session.start_transaction():
                    collection.insert_many(documents, session=session)


def _first(outbox: Outbox, message: Sent) -> None:
    """The first put of a process checks the outbox; that is not what is measured here."""
    outbox.put(message, headers=HEADERS)


def _lists(things: list[Any]) -> list[list[Any]]:
    return [things[first : first + LIST] for first in range(0, len(things), LIST)]

"""Measures `put` beside plain inserts of the same documents, in turns. Messages and documents are made before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymongo.client_session import ClientSession

from bench.rig.benchmark import Round, pairs
from bench.rig.messages import HEADERS, document
from bench.rig.stage import Stage, plain, twin
from outbox import Outbox

LIST = 100

Work = Callable[[int], object]
"""Does the piece of work with this number."""


class Put:
    """One message, one write."""

    bare_is = "insert_one, no validator"
    metric = "put ms"
    _divisor = 20

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._count = stage.load.part(self._divisor)
        self._messages = stage.load.some(self._count)

    def round(self) -> Round:
        with self._stage.outbox() as outbox:
            # The first one of a process also checks the outbox.
            outbox.put(self._messages[0], headers=HEADERS, standalone=True)
            documents = [document(message) for message in self._messages]
            return pairs(self.metric, self._pairs, self._ours(outbox), self._bare(outbox, documents))

    @property
    def _pairs(self) -> int:
        return self._count

    def _ours(self, outbox: Outbox) -> Work:
        return lambda number: outbox.put(self._messages[number], headers=HEADERS, standalone=True)

    def _bare(self, outbox: Outbox, documents: list[dict[str, Any]]) -> Work:
        collection = plain(outbox.collections.database)
        return lambda number: collection.insert_one(documents[number])


class PutBesideData(Put):
    """What the outbox is for: a transaction with a business write and one message."""

    bare_is = "two insert_one in a transaction, the second under staging's validator and index"
    metric = "transaction ms"
    _divisor = 50

    def _ours(self, outbox: Outbox) -> Work:
        orders = plain(outbox.collections.database, "orders")

        def place(number: int, session: ClientSession) -> None:
            message = self._messages[number]
            orders.insert_one({"order": message.order_id}, session=session)
            outbox.put(message, session=session, headers=HEADERS)

        return lambda number: self._transaction(number, place)

    def _bare(self, outbox: Outbox, documents: list[dict[str, Any]]) -> Work:
        database = outbox.collections.database
        orders, collection = plain(database, "orders_too"), twin(outbox)

        def place(number: int, session: ClientSession) -> None:
            orders.insert_one({"order": documents[number]["key"]}, session=session)
            collection.insert_one(documents[number], session=session)

        return lambda number: self._transaction(number, place)

    def _transaction(self, number: int, place: Callable[[int, ClientSession], None]) -> None:
        with self._stage.client.start_session() as session, session.start_transaction():
            place(number, session)


class PutList(Put):
    """Lists of messages, each list in a transaction of its own."""

    bare_is = f"insert_many of {LIST} in a transaction"
    metric = f"list of {LIST} ms"
    _divisor = 5

    @property
    def _pairs(self) -> int:
        return -(-self._count // LIST)

    def _ours(self, outbox: Outbox) -> Work:
        return lambda number: outbox.put(part(self._messages, number), headers=HEADERS, standalone=True)

    def _bare(self, outbox: Outbox, documents: list[dict[str, Any]]) -> Work:
        collection = plain(outbox.collections.database)

        def insert(number: int) -> None:
            with self._stage.client.start_session() as session, session.start_transaction():
                collection.insert_many(part(documents, number), session=session)

        return insert


def part(things: list[Any], number: int) -> list[Any]:
    """Returns the list with this number."""
    return things[number * LIST : (number + 1) * LIST]

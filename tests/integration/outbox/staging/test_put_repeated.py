"""What the driver repeats by itself: however often a transaction fails on its way, its messages are there once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.client_session import ClientSession

from outbox import Outbox
from tests.actors.answers import answering
from tests.actors.order_service import new_outbox, placed, totals

Document = dict[str, Any]
SERVICE = "a service that repeats"

FAULTS: dict[str, Document] = {
    "the commit is refused, and the whole may be tried again": {
        "failCommands": ["commitTransaction"], "errorCode": 251, "errorLabels": ["TransientTransactionError"],
    },
    "the commit succeeds, and nobody knows": {
        "failCommands": ["commitTransaction"], "writeConcernError": {"code": 64, "errmsg": "timed out"},
    },
    "the commit may have succeeded, it is said": {
        "failCommands": ["commitTransaction"], "errorCode": 6, "errorLabels": ["UnknownTransactionCommitResult"],
    },
    "the connection breaks at the commit": {"failCommands": ["commitTransaction"], "closeConnection": True},
    "the insert is refused": {
        "failCommands": ["insert"], "errorCode": 112, "errorLabels": ["TransientTransactionError"],
    },
    "the connection breaks at the insert": {"failCommands": ["insert"], "closeConnection": True},
}  # fmt: skip


@pytest.fixture
def service(mongo_uri: str) -> Iterator[MongoClient[Document]]:
    """A client that alone meets the faults, and soon looks whether the server is there after all."""
    with MongoClient[Document](mongo_uri, appname=SERVICE, heartbeatFrequencyMS=500) as client:
        yield client


@pytest.fixture
def orders(service: MongoClient[Document]) -> Iterator[Outbox]:
    database = service[f"test_{ObjectId()}"]
    with new_outbox(database, sequence=False) as outbox:
        outbox.put(placed(0), standalone=True)  # the first one also looks whether staging is as it should be
        database.create_collection("orders")
        yield outbox
    service.drop_database(database.name)


def failing(mongo: MongoClient[Document], fault: Document, times: int = 2) -> contextlib.AbstractContextManager[None]:
    """The next such commands of the service fail, so many times."""
    answer = {**fault}
    return answering(mongo, SERVICE, answer.pop("failCommands"), times, **answer)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_repeated_transaction_puts_its_message_once(
    mongo: MongoClient[Document], service: MongoClient[Document], orders: Outbox, fault: Document
) -> None:
    business = orders.collections.database.orders

    def place(session: ClientSession) -> None:
        orders.put(placed(1), session=session)
        business.insert_one({"total": 1}, session=session)

    with failing(mongo, fault), service.start_session() as session:
        session.with_transaction(place)

    orders.sequence()
    assert totals(orders.read()) == [0, 1]
    assert business.count_documents({}) == 1


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_list_with_a_transaction_of_its_own_is_put_once(
    mongo: MongoClient[Document], orders: Outbox, fault: Document
) -> None:
    with failing(mongo, fault):
        orders.put([placed(1), placed(2)], standalone=True)

    orders.sequence()
    assert totals(orders.read()) == [0, 1, 2]


def test_one_message_without_a_transaction_whose_answer_is_lost_is_put_once(
    mongo: MongoClient[Document], orders: Outbox
) -> None:
    """The driver repeats the insert under the same number, and the server knows it by that."""
    if mongo.server_info()["versionArray"][0] < 6:
        pytest.skip("before 6.0 it takes a transaction of its own, in which no insert has a write concern")
    lost = {"failCommands": ["insert"], "writeConcernError": {"code": 91, "errmsg": "shutting down"}}
    with failing(mongo, lost, times=1):
        orders.put(placed(1), standalone=True)

    orders.sequence()
    assert totals(orders.read()) == [0, 1]

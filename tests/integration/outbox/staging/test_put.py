"""put() writes with the caller's transaction or not at all, whatever the settings of the client."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mongoengine  # type: ignore[import-untyped]  # ships no types
import pymongo
import pytest
from bson import ObjectId
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from outbox import Outbox
from tests.actors.command_listener import watched
from tests.actors.order_service import MESSAGES, new_outbox, placed, totals

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Outbox:
    database.create_collection("orders")
    return new_outbox(database)


def _staged(orders: Outbox) -> list[int]:
    return [each["data"]["total"] for each in orders.collections.staging.find(sort=[("at", 1)])]


def test_one_message_is_one_insert(mongo_uri: str, orders: Outbox) -> None:
    with watched(mongo_uri, orders.collections.database) as (database, commands):
        service = Outbox(database, messages=MESSAGES)
        service.put(placed(1), standalone=True)
        commands.clear()
        id = service.put(placed(2), headers={"tenant": "acme"}, standalone=True)

        # Before 6.0 the look whether staging is still there takes a transaction.
        assert commands.names() in (["insert"], ["insert", "find", "commitTransaction"])
    document = orders.collections.staging.find_one({"_id": id})
    assert document is not None
    assert list(document) == ["_id", "at", "created", "type", "key", "headers", "data"]
    assert document["at"].time > 1_600_000_000
    assert (document["type"], document["key"], document["headers"]) == ("order.placed", "42", {"tenant": "acme"})


@pytest.mark.parametrize(
    ("options", "own", "least", "most"),
    [
        ({}, None, 4_000, 5_000),
        ({}, 2.0, 1_000, 2_000),
        ({}, 60.0, 50_000, 60_000),
        ({"timeoutMS": 20_000}, None, 15_000, 20_000),
        ({"timeoutMS": 20_000}, 2.0, 1_000, 2_000),
    ],
)
def test_a_standalone_put_has_a_limit_of_its_own_unless_the_caller_has_set_one(
    mongo_uri: str, orders: Outbox, options: dict[str, Any], own: float | None, least: int, most: int
) -> None:
    with watched(mongo_uri, orders.collections.database, **options) as (database, commands):
        service = Outbox(database, messages=MESSAGES)
        service.put(placed(1), standalone=True)
        commands.clear()
        with contextlib.nullcontext() if own is None else pymongo.timeout(own):
            service.put(placed(2), standalone=True)

        assert least < commands.of("insert")[0]["maxTimeMS"] <= most


def test_several_messages_are_one_transaction_in_their_order(mongo_uri: str, orders: Outbox) -> None:
    with watched(mongo_uri, orders.collections.database) as (database, commands):
        ids = Outbox(database, messages=MESSAGES).put([placed(n) for n in range(200)], standalone=True)

        assert "commitTransaction" in commands.names()
    assert _staged(orders) == list(range(200))
    orders.sequence()
    assert [each.id for each in orders.read()] == ids


def test_no_messages_are_nothing(orders: Outbox) -> None:
    assert orders.put([], standalone=True) == []


def test_puts_of_one_transaction_keep_their_order(orders: Outbox) -> None:
    client = orders.collections.client
    with client.start_session() as session, session.start_transaction():
        for n in range(0, 60, 3):
            orders.put(placed(n), session=session)
            orders.put([placed(n + 1), placed(n + 2)], session=session)
    orders.sequence()

    assert totals(orders.read()) == list(range(60))


def test_a_message_commits_with_the_data(orders: Outbox) -> None:
    database = orders.collections.database
    with database.client.start_session() as session, session.start_transaction():
        database.orders.insert_one({"_id": 1}, session=session)
        orders.put(placed(1), session=session)
        assert _staged(orders) == []

    assert _staged(orders) == [1]


def test_an_aborted_transaction_leaves_nothing(orders: Outbox) -> None:
    client = orders.collections.client
    with client.start_session() as session:
        session.start_transaction()
        orders.put([placed(1), placed(2)], session=session)
        session.abort_transaction()
    orders.sequence()

    assert totals(orders.read()) == []


def test_an_exception_in_the_transaction_leaves_nothing(orders: Outbox) -> None:
    def fail(session: ClientSession) -> None:
        orders.put(placed(1), session=session)
        raise KeyError

    with orders.collections.client.start_session() as session, pytest.raises(KeyError):
        session.with_transaction(fail)

    assert _staged(orders) == []


def test_a_bound_session_is_joined_without_being_named(orders: Outbox) -> None:
    with orders.collections.client.start_session().bind() as session:
        session.start_transaction()
        orders.put(placed(1))
        orders.put([placed(2), placed(3)])
        session.abort_transaction()
        assert _staged(orders) == []
        session.start_transaction()
        orders.put(placed(4))
        session.commit_transaction()

    assert _staged(orders) == [4]


def test_a_bound_session_wins_over_one_that_is_given(orders: Outbox) -> None:
    client = orders.collections.client
    with client.start_session() as other, client.start_session().bind() as bound, bound.start_transaction():
        orders.put(placed(1), session=other)
        bound.abort_transaction()

    assert _staged(orders) == []


def test_reading_and_sequencing_do_not_join_a_bound_session(orders: Outbox) -> None:
    """Goes red when `apart` is taken out: listing collections, for one, is no operation of a transaction."""
    orders.put(placed(1), standalone=True)
    with orders.collections.client.start_session().bind() as session, session.start_transaction():
        assert orders.sequence() == 1
        assert totals(orders.read()) == [1]
        assert orders.status().head == 1
        session.abort_transaction()

    assert totals(orders.read()) == [1]


@pytest.fixture
def engine(mongo_uri: str, database: Database[Document]) -> Iterator[MongoClient[Document]]:
    yield mongoengine.connect(database.name, host=mongo_uri, uuidRepresentation="standard")
    mongoengine.disconnect()


class Order(mongoengine.Document):  # type: ignore[misc]  # mongoengine ships no types
    order_id = mongoengine.StringField()
    meta = {"collection": "orders"}  # noqa: RUF012  # mongoengine's own way


def test_mongoengine_documents_are_saved_beside_it(engine: MongoClient[Document], database: Database[Document]) -> None:
    database.create_collection("orders")
    database = engine[database.name]
    orders = new_outbox(database)
    with engine.start_session().bind() as session:
        session.start_transaction()
        Order(order_id="1").save()
        orders.put(placed(1))
        session.abort_transaction()
        assert (database.orders.count_documents({}), _staged(orders)) == (0, [])
        session.start_transaction()
        Order(order_id="2").save()
        orders.put(placed(2))
        session.commit_transaction()

    assert (database.orders.count_documents({}), _staged(orders)) == (1, [2])


def test_with_transaction_retries_until_it_commits_once(orders: Outbox) -> None:
    """A write conflict passes through `put` untouched, with the label that the driver's retry looks for."""
    database = orders.collections.database
    database.orders.insert_one({"_id": 1, "n": 0})
    tries: list[None] = []

    def transact(session: ClientSession) -> None:
        tries.append(None)
        orders.put(placed(len(tries)), session=session)
        if len(tries) < 3:  # another writer gets in between
            database.orders.update_one({"_id": 1}, {"$inc": {"n": 1}})
        database.orders.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)

    with database.client.start_session() as session:
        session.with_transaction(transact)

    assert len(tries) == 3
    assert _staged(orders) == [3]


def test_a_conflict_in_the_put_itself_passes_through(orders: Outbox) -> None:
    with orders.collections.client.start_session() as session:
        session.start_transaction()
        orders.put(placed(1), session=session)
        orders.collections.client.admin.command("killSessions", [session.session_id])
        with pytest.raises(OperationFailure) as raised:
            orders.put(placed(2), session=session)

    assert raised.value.has_error_label("TransientTransactionError")


def _secondary_preferred(database: Database[Document]) -> Database[Document]:
    return database.with_options(read_preference=ReadPreference.SECONDARY_PREFERRED)


def _w1(database: Database[Document]) -> Database[Document]:
    return database.with_options(write_concern=WriteConcern(w=1))


def _w0(database: Database[Document]) -> Database[Document]:
    return database.with_options(write_concern=WriteConcern(w=0))


def _local(database: Database[Document]) -> Database[Document]:
    return database.with_options(read_concern=ReadConcern("local"))


@pytest.mark.parametrize("settings", [_secondary_preferred, _w1, _w0, _local])
def test_the_user_s_settings_are_not_inherited(
    mongo_uri: str, orders: Outbox, settings: Callable[[Database[Document]], Database[Document]]
) -> None:
    """Goes red when `Collections` uses the database as it is given."""
    with watched(mongo_uri, orders.collections.database) as (database, commands):
        service = Outbox(settings(database), messages=MESSAGES)
        service.put(placed(1), standalone=True)
        service.put([placed(2), placed(3)], standalone=True)
        service.sequence()

        assert totals(service.read()) == [1, 2, 3]
        ours = [each for name in ("insert", "delete", "find") for each in commands.of(name)]
        outside = [each for each in ours if "txnNumber" not in each or each.get("autocommit") is None]
        assert {each["writeConcern"]["w"] for each in outside if "find" not in each} == {"majority"}
        assert {each["readConcern"]["level"] for each in outside if "find" in each} == {"majority", "snapshot"}
        assert not [each for each in ours if each.get("$readPreference", {"mode": "primary"})["mode"] != "primary"]


@pytest.mark.parametrize(
    "options",
    [{"readPreference": "secondaryPreferred"}, {"w": 1}, {"readConcernLevel": "local"}, {"retryWrites": False}],
)
def test_transactions_of_such_clients_work(mongo_uri: str, orders: Outbox, options: dict[str, Any]) -> None:
    with watched(mongo_uri, orders.collections.database, **options) as (database, _):
        service = Outbox(database, messages=MESSAGES)
        with database.client.start_session() as session, session.start_transaction():
            service.put(placed(1), session=session)
        service.put([placed(2), placed(3)], standalone=True)

    assert _staged(orders) == [1, 2, 3]


def test_threads_may_share_one_outbox(orders: Outbox) -> None:
    with ThreadPoolExecutor(4) as pool:
        ids: set[ObjectId] = set(pool.map(lambda n: orders.put(placed(n), standalone=True), range(100)))

    assert sorted(_staged(orders)) == list(range(100))
    assert len(ids) == 100

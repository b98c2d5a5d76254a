"""The driver's calls end in time, stay out of the caller's session, and are made whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
from pymongo import MongoClient, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from outbox.errors import UnsupportedServer
from outbox.mongo import patience
from outbox.mongo.calls import outside_bound_session, time_limit, transaction
from outbox.mongo.pymongo_internals import bound_session
from tests.actors.answers import answering
from tests.actors.command_listener import Commands

Document = dict[str, Any]
APP = "a client of the outbox's own calls"


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def client(mongo_uri: str, commands: Commands) -> Iterator[MongoClient[Document]]:
    with MongoClient[Document](mongo_uri, appname=APP, event_listeners=[commands]) as client:
        yield client


@pytest.fixture
def numbers(client: MongoClient[Document], database: Database[Document]) -> Collection[Document]:
    """An empty collection of a client that has concerns of its own."""
    database.create_collection("numbers")
    return client[database.name].numbers


# Time limits


def test_a_call_that_takes_longer_ends(numbers: Collection[Document]) -> None:
    numbers.insert_one({})

    with pytest.raises(PyMongoError) as raised, time_limit(0.2):
        numbers.find_one({"$where": "sleep(60000) || true"})

    assert raised.value.timeout


def test_no_call_is_limited_behind_it(numbers: Collection[Document]) -> None:
    with time_limit(0.001):
        pass

    assert numbers.count_documents({}) == 0


def test_a_call_without_a_limit_of_its_own_has_as_long_as_the_servers_need_now(
    numbers: Collection[Document], commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_seconds", 40.0)

    with time_limit():
        numbers.find_one()

    [limit] = [each["maxTimeMS"] for each in commands.of("find")]
    assert 30_000 < limit <= 40_000


def test_the_strict_server_api_is_said_to_be_what_refuses_a_call() -> None:
    with pytest.raises(UnsupportedServer, match="give the outbox a client without strict") as raised, time_limit():
        raise OperationFailure("Provided apiStrict:true, but it is not in API Version 1", 323)

    assert isinstance(raised.value.__cause__, OperationFailure)


@pytest.mark.parametrize(
    "error", [OperationFailure("not allowed", 13), OperationFailure("no code"), PyMongoError("gone"), KeyError("mine")]
)
def test_any_other_error_passes_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, time_limit():
        raise error

    assert raised.value is error


# The caller's session


def test_a_function_outside_a_bound_session_does_not_see_it(client: MongoClient[Document]) -> None:
    seen = outside_bound_session(bound_session)

    with client.start_session().bind() as session:
        assert (bound_session(), seen()) == (session, None)


def test_what_is_written_outside_a_bound_session_outlives_its_transaction(numbers: Collection[Document]) -> None:
    write = outside_bound_session(lambda: numbers.insert_one({"_id": "apart"}))

    with numbers.database.client.start_session().bind() as session, session.start_transaction():
        numbers.insert_one({"_id": "joined"})
        write()
        session.abort_transaction()

    assert [each["_id"] for each in numbers.find()] == ["apart"]


def test_the_caller_s_time_limit_is_left_behind_with_its_session(numbers: Collection[Document]) -> None:
    count = outside_bound_session(lambda: numbers.count_documents({}))

    with pymongo.timeout(0.000_001):
        assert count() == 0


def test_a_function_outside_a_bound_session_takes_returns_and_raises_the_same() -> None:
    @outside_bound_session
    def divided(one: int, *, by: int) -> float:
        """Divides."""
        return one / by

    assert (divided.__name__, divided.__doc__) == ("divided", "Divides.")
    assert divided(3, by=2) == 1.5
    with pytest.raises(ZeroDivisionError):
        divided(3, by=0)


# Transactions


def test_a_transaction_returns_what_its_work_returns_when_all_is_written(numbers: Collection[Document]) -> None:
    def work(session: ClientSession) -> str:
        numbers.insert_one({"_id": 1}, session=session)
        numbers.insert_one({"_id": 2}, session=session)
        return "done"

    assert transaction(numbers.database.client, work) == "done"
    assert numbers.distinct("_id") == [1, 2]


def test_a_transaction_whose_work_raises_writes_nothing(numbers: Collection[Document]) -> None:
    def work(session: ClientSession) -> None:
        numbers.insert_one({"_id": 1}, session=session)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        transaction(numbers.database.client, work)

    assert numbers.count_documents({}) == 0


def test_work_is_done_again_after_what_passes_by_itself(
    mongo: MongoClient[Document], numbers: Collection[Document]
) -> None:
    tried: list[int] = []

    def work(session: ClientSession) -> None:
        tried.append(1)
        numbers.insert_one({"_id": 1}, session=session)

    with answering(mongo, APP, ["insert"], 2, errorCode=112, errorLabels=["TransientTransactionError"]):
        transaction(numbers.database.client, work)

    assert len(tried) == 3
    assert numbers.distinct("_id") == [1]


def test_work_is_not_done_again_after_an_error_that_lasts(
    mongo: MongoClient[Document], numbers: Collection[Document]
) -> None:
    tried: list[int] = []

    def work(session: ClientSession) -> None:
        tried.append(1)
        numbers.insert_one({"_id": 1}, session=session)

    with answering(mongo, APP, ["insert"], errorCode=13), pytest.raises(OperationFailure) as raised:
        transaction(numbers.database.client, work)

    assert (raised.value.code, tried) == (13, [1])
    assert numbers.count_documents({}) == 0


def test_each_call_of_a_transaction_has_what_is_left_of_its_time(
    numbers: Collection[Document], commands: Commands
) -> None:
    transaction(numbers.database.client, lambda session: numbers.find_one(session=session), seconds=40.0)

    [limit] = [each["maxTimeMS"] for each in commands.of("find")]
    assert 30_000 < limit <= 40_000


def test_a_transaction_ends_in_time_however_often_it_could_be_tried(
    mongo: MongoClient[Document], numbers: Collection[Document]
) -> None:
    def work(session: ClientSession) -> None:
        numbers.insert_one({"_id": 1}, session=session)

    with (
        answering(mongo, APP, ["insert"], errorCode=112, errorLabels=["TransientTransactionError"]),
        pytest.raises(PyMongoError),
    ):
        transaction(numbers.database.client, work, seconds=0.5)

    assert numbers.count_documents({}) == 0


def test_work_does_not_join_the_caller_s_transaction(numbers: Collection[Document]) -> None:
    client = numbers.database.client

    with client.start_session().bind() as session, session.start_transaction():
        numbers.insert_one({"_id": "the caller's"})
        transaction(client, lambda _: numbers.insert_one({"_id": "beside both"}))
        session.abort_transaction()

    assert [each["_id"] for each in numbers.find()] == ["beside both"]


def test_a_transaction_has_our_concerns_whatever_those_of_the_client_are(
    mongo_uri: str, commands: Commands, numbers: Collection[Document]
) -> None:
    careless = {"w": 1, "readConcernLevel": "local", "readPreference": "secondaryPreferred"}
    with MongoClient[Document](mongo_uri, event_listeners=[commands], **careless) as client:
        own = client[numbers.database.name].numbers
        assert (own.write_concern, own.read_concern) == (WriteConcern(1), ReadConcern("local"))
        transaction(client, lambda session: own.insert_one({"_id": 1}, session=session))

    [insert], [commit] = commands.of("insert"), commands.of("commitTransaction")
    assert insert["readConcern"]["level"] == "snapshot"
    assert commit["writeConcern"]["w"] == "majority"

"""A consumer handles a message once, however often it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from outbox import (
    Inbox,
    InboxNotCreated,
    InvalidDatabase,
    InvalidInboxEntry,
    InvalidName,
    TransactionRequired,
)
from outbox.consumers import inbox as inboxes

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]
ID = "64b7f3a1c2d4e5f60718293a"


@pytest.fixture
def inbox(database: Database[Document]) -> Inbox:
    inbox = Inbox(database)
    inbox.create()
    return inbox


@pytest.fixture
def session(database: Database[Document]) -> Iterator[ClientSession]:
    with database.client.start_session() as session:
        yield session


def handled(inbox: Inbox, session: ClientSession, id: Any = ID, consumer: str = "billing") -> bool:
    """Asks in a transaction of its own."""
    return session.with_transaction(lambda session: inbox.once(id, consumer, session=session))


def kept(database: Database[Document], name: str = "inbox") -> int:
    """For how many seconds the server keeps an entry."""
    return int(database[name].index_information()["kept"]["expireAfterSeconds"])


def test_a_message_is_new_once(inbox: Inbox, session: ClientSession) -> None:
    assert [handled(inbox, session) for _ in range(3)] == [True, False, False]


def test_within_one_transaction_too(inbox: Inbox, session: ClientSession) -> None:
    with session.start_transaction():
        assert inbox.once(ID, "billing", session=session)
        assert not inbox.once(ID, "billing", session=session)


def test_each_consumer_sees_it_once(inbox: Inbox, session: ClientSession) -> None:
    assert [handled(inbox, session, consumer=name) for name in ("billing", "stock", "billing")] == [True, True, False]


@pytest.mark.parametrize("again", [ObjectId(ID), ID.encode()], ids=["ObjectId", "bytes"])
def test_an_id_is_the_same_as_text_as_bytes_and_as_object_id(inbox: Inbox, session: ClientSession, again: Any) -> None:
    handled(inbox, session, ID)

    assert not handled(inbox, session, again)


def test_ids_of_other_systems_are_taken(inbox: Inbox, session: ClientSession) -> None:
    for id in ("order-7/é", "x" * 512):
        assert [handled(inbox, session, id), handled(inbox, session, id)] == [True, False]


def test_an_aborted_transaction_has_remembered_nothing(inbox: Inbox, session: ClientSession) -> None:
    session.start_transaction()
    assert inbox.once(ID, "billing", session=session)
    session.abort_transaction()

    assert handled(inbox, session)


def test_the_effect_and_the_entry_are_committed_together(
    database: Database[Document], inbox: Inbox, session: ClientSession
) -> None:
    """Comes five times, and dies in the middle of the effect twice."""
    for attempt in range(5):
        with session.start_transaction():
            if inbox.once(ID, "billing", session=session):
                database.revenue.update_one({"_id": "total"}, {"$inc": {"cents": 990}}, upsert=True, session=session)
            if attempt < 2:
                session.abort_transaction()

    assert database.revenue.find_one() == {"_id": "total", "cents": 990}


def test_of_many_at_a_time_one_sees_it_first(database: Database[Document], inbox: Inbox) -> None:
    at_once = threading.Barrier(8)

    def consume(_: int) -> bool:
        with database.client.start_session() as session:
            at_once.wait(60)
            return handled(inbox, session)

    with ThreadPoolExecutor(8) as threads:
        for number in range(10):
            assert sum(threads.map(consume, range(8))) == (1 if number == 0 else 0)


def test_a_bound_session_is_joined(inbox: Inbox, session: ClientSession) -> None:
    with session.bind(end_session=False), session.start_transaction():
        assert inbox.once(ID, "billing")
    with session.bind(end_session=False), session.start_transaction():
        assert not inbox.once(ID, "billing")


def test_without_a_transaction_it_is_refused(inbox: Inbox, session: ClientSession) -> None:
    with pytest.raises(TransactionRequired, match="once was called outside a transaction"):
        inbox.once(ID, "billing")
    with pytest.raises(TransactionRequired, match="the session has no transaction; once was called"):
        inbox.once(ID, "billing", session=session)


def test_a_transaction_of_another_client_is_refused(inbox: Inbox, mongo_uri: str) -> None:
    with MongoClient[Document](mongo_uri) as other, other.start_session() as session, session.start_transaction():
        with pytest.raises(TransactionRequired, match="another MongoClient; make the Inbox with the client"):
            inbox.once(ID, "billing", session=session)
        session.abort_transaction()


@pytest.mark.parametrize("wrong", [None, 7, "", "x" * 513, "a\nb", b"\xff", ["a"], ID.encode() + b"\x00"])
def test_what_can_be_no_id_is_refused_and_the_transaction_goes_on(
    inbox: Inbox, session: ClientSession, wrong: Any
) -> None:
    with session.start_transaction():
        with pytest.raises(InvalidInboxEntry, match="message_id="):
            inbox.once(wrong, "billing", session=session)
        assert inbox.once(ID, "billing", session=session)


@pytest.mark.parametrize("wrong", [None, "", "1a", "a b", "a/b", "x" * 65])
def test_what_can_be_no_consumer_is_refused(inbox: Inbox, session: ClientSession, wrong: Any) -> None:
    with session.start_transaction(), pytest.raises(InvalidInboxEntry, match="consumer="):
        inbox.once(ID, wrong, session=session)


def test_before_create_it_is_refused_and_after_it_is_not(database: Database[Document], session: ClientSession) -> None:
    inbox = Inbox(database)
    with session.start_transaction(), pytest.raises(InboxNotCreated, match=r"run Inbox\(…\)\.create\(\)"):
        inbox.once(ID, "billing", session=session)
    assert "inbox" not in database.list_collection_names()

    inbox.create()

    assert handled(inbox, session)


def test_the_server_forgets_after_the_time_given(database: Database[Document], session: ClientSession) -> None:
    Inbox(database, keep=timedelta(hours=1)).create()
    before = datetime.now(UTC) - timedelta(minutes=5)
    handled(Inbox(database), session)

    [entry] = database.inbox.with_options(codec_options=database.codec_options.with_options(tz_aware=True)).find()
    assert kept(database) == 3600
    assert before < entry["at"] < datetime.now(UTC) + timedelta(minutes=5)


def test_create_again_changes_nothing_but_the_time(database: Database[Document], session: ClientSession) -> None:
    inbox = Inbox(database)
    inbox.create()
    assert kept(database) == 30 * 86_400
    handled(inbox, session)

    inbox.create()
    Inbox(database, keep=timedelta(days=60)).create()

    assert kept(database) == 60 * 86_400
    assert not handled(inbox, session)


def test_an_open_transaction_holds_up_no_other_while_create_changes_the_time(
    database: Database[Document], inbox: Inbox, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when `create` waits for it longer than 0.2 s at a time: every other transaction waits behind it."""
    monkeypatch.setattr(inboxes, "_CREATE_SECONDS", 6.0)
    changed = Inbox(database, keep=timedelta(days=1))
    with session.start_transaction():
        assert inbox.once(ID, "billing", session=session)
        with ThreadPoolExecutor(1) as pool, database.client.start_session() as other:
            deploy = pool.submit(changed.create)
            slowest = 0.0
            while not deploy.done():
                started = time.monotonic()
                assert handled(inbox, other, ObjectId())
                slowest = max(slowest, time.monotonic() - started)
            with pytest.raises(PyMongoError) as refused:
                deploy.result()

    assert slowest < 2
    assert "stay open on" in refused.value.__notes__[0]
    changed.create()
    assert kept(database) == 24 * 3600


def test_two_creates_at_a_time_do_no_harm(database: Database[Document]) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: Inbox(database).create(), range(4)))

    assert kept(database) == 30 * 86_400


def test_a_view_of_that_name_is_no_inbox(database: Database[Document]) -> None:
    database.command("create", "inbox", viewOn="orders", pipeline=[])

    with pytest.raises(OperationFailure):
        Inbox(database).create()


@pytest.mark.parametrize("wrong", [None, 30, timedelta(0), timedelta(seconds=-1), timedelta(days=30_000)])
def test_a_time_that_the_server_cannot_keep_is_refused(database: Database[Document], wrong: Any) -> None:
    with pytest.raises(InvalidInboxEntry, match="keep="):
        Inbox(database, keep=wrong)


def test_a_name_that_cannot_be_is_refused(database: Database[Document]) -> None:
    with pytest.raises(InvalidName, match="'a b' is not an inbox name"):
        Inbox(database, "a b")


def test_what_is_no_database_is_refused(database: Database[Document]) -> None:
    wrong: Any = database.client
    with pytest.raises(InvalidDatabase, match="Inbox was given .*a client"):
        Inbox(wrong)

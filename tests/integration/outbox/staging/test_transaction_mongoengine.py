"""mongoengine's own transactions, whose session pymongo does not know: joined or refused, never put apart from.

They come in the release after 0.29.3. Until it is the installed one, a module of that shape stands for it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import mongoengine.connection  # type: ignore[import-untyped]  # mongoengine ships no types
import pytest
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database

from outbox import Outbox, TransactionRequired
from outbox.testing import MemoryOutbox
from tests.actors.order_service import MESSAGES, new_outbox, placed

Document = dict[str, Any]
RunInTransaction = Callable[[MongoClient[Document]], contextlib.AbstractContextManager[ClientSession]]


@pytest.fixture
def orders(database: Database[Document]) -> Outbox:
    database.create_collection("orders")
    return new_outbox(database, sequence=False)


@pytest.fixture
def run_in_transaction(monkeypatch: pytest.MonkeyPatch) -> RunInTransaction:
    """As mongoengine's master has it: a stack of sessions in a thread-local of `mongoengine.connection`."""

    class Local(threading.local):
        def __init__(self) -> None:
            self.sessions: list[ClientSession] = []

    local = Local()
    monkeypatch.setattr(
        mongoengine.connection, "_get_session", lambda: local.sessions[-1] if local.sessions else None, raising=False
    )

    @contextlib.contextmanager
    def run(client: MongoClient[Document]) -> Iterator[ClientSession]:
        with client.start_session() as session, session.start_transaction():
            local.sessions.append(session)
            try:
                yield session
                session.commit_transaction()
            finally:
                local.sessions.pop()

    return run


def _staged(orders: Outbox) -> list[int]:
    return [each["data"]["total"] for each in orders.collections.staging.find(sort=[("at", 1)])]


@pytest.mark.parametrize("several", [False, True])
def test_a_put_commits_and_aborts_with_it(orders: Outbox, run_in_transaction: RunInTransaction, several: bool) -> None:
    message = [placed(1), placed(2)] if several else placed(1)
    client = orders.collections.client
    with run_in_transaction(client) as session:
        orders.put(message)
        session.abort_transaction()
        session.start_transaction()
    assert _staged(orders) == []
    with run_in_transaction(client):
        orders.put(message)

    assert _staged(orders) == [1, 2][: 1 + several]
    with pytest.raises(TransactionRequired):
        orders.put(message)


def test_its_session_may_be_given_too(orders: Outbox, run_in_transaction: RunInTransaction) -> None:
    with run_in_transaction(orders.collections.client) as session:
        orders.put(placed(1), session=session)

    assert _staged(orders) == [1]


def test_a_standalone_put_inside_it_is_refused(orders: Outbox, run_in_transaction: RunInTransaction) -> None:
    for outbox in (orders, MemoryOutbox(messages=MESSAGES)):
        with run_in_transaction(orders.collections.client), pytest.raises(TransactionRequired, match="standalone"):
            outbox.put(placed(1), standalone=True)

    assert _staged(orders) == []


def test_another_session_inside_it_is_refused(orders: Outbox, run_in_transaction: RunInTransaction) -> None:
    client = orders.collections.client
    with run_in_transaction(client), client.start_session() as other, other.start_transaction():
        with pytest.raises(TransactionRequired, match="given"):
            orders.put(placed(1), session=other)
        with other.bind(end_session=False), pytest.raises(TransactionRequired, match="bound"):
            orders.put(placed(1))

    assert _staged(orders) == []


def test_that_of_another_client_is_refused(
    mongo_uri: str, orders: Outbox, run_in_transaction: RunInTransaction
) -> None:
    """As with a connection of another alias."""
    with MongoClient[Document](mongo_uri) as other:
        for standalone in (False, True):
            with run_in_transaction(other), pytest.raises(TransactionRequired):
                orders.put(placed(1), standalone=standalone)

    assert _staged(orders) == []


def test_reading_and_sequencing_go_on_beside_it(orders: Outbox, run_in_transaction: RunInTransaction) -> None:
    orders.put(placed(1), standalone=True)
    with run_in_transaction(orders.collections.client):
        assert orders.sequence() == 1
        assert orders.status().head == 1

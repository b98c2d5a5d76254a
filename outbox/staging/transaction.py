"""Finds the transaction that a put joins: the one that is given, bound by pymongo, or current in mongoengine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.client_session import ClientSession

from outbox.errors import TransactionRequired
from outbox.messages.documents.mongoengine_internals import mongoengine_session
from outbox.mongo.pymongo_internals import bound_async_session, bound_session

Session = TypeVar("Session", ClientSession, AsyncClientSession)

_MISSING = (
    "put was called outside a transaction, so the message would not commit with the data: give it `session=`, or call "
    "it inside `with session.bind(), session.start_transaction():`; `session.with_transaction(…)` starts one too. "
    "A message that belongs to no other write is put with standalone=True"
)


ASYNC_MISSING = (
    "put was called outside a transaction, so the message would not commit with the data: give it `session=`, or call "
    "it inside `async with session.bind(), await session.start_transaction():`; `session.with_transaction(…)` starts "
    "one too. A message that belongs to no other write is put with standalone=True"
)


def joined(session: ClientSession | None, *, standalone: bool, missing: str = _MISSING) -> ClientSession | None:
    """Returns the session whose transaction a put joins: the current one, else the given one; None if standalone.

    missing: what the error says when there is no transaction.

    Raises TransactionRequired when there is no transaction, or when there is one and `standalone` is True.
    """
    return _chosen(session, _current(session, bound_session), standalone, missing)


def joined_async(
    session: AsyncClientSession | None, *, standalone: bool, missing: str = ASYNC_MISSING
) -> AsyncClientSession | None:
    """Returns the asynchronous session whose transaction a put joins, as `joined` does."""
    return _chosen(session, _current(session, bound_async_session), standalone, missing)


def _chosen(session: Session | None, current: Session | None, standalone: bool, missing: str) -> Session | None:
    _check_session(session)
    if standalone:
        if any(each is not None and each.in_transaction for each in (session, current)):
            raise TransactionRequired(
                "standalone=True, but a transaction is given or bound here: leave standalone out to put in that "
                "transaction, or put outside it"
            )
        return None
    wanted = session if current is None else current
    if wanted is None:
        raise TransactionRequired(missing)
    if not wanted.in_transaction:
        raise TransactionRequired(f"the session has no transaction; {missing}")
    return wanted


def _check_session(given: Any) -> None:
    """Raises TransactionRequired for what can have no transaction. A test may give what stands for a session."""
    if given is None:
        return
    try:
        bool(given.in_transaction)
    except (AttributeError, NotImplementedError):  # of a client it is a database, which is neither true nor false
        raise TransactionRequired(
            f"session={given!r}: a {type(given).__name__} is no session; give what client.start_session() returns"
        ) from None


def check_client(
    session: ClientSession | AsyncClientSession,
    client: MongoClient[Any] | AsyncMongoClient[Any],
    owner: str = "Outbox",
) -> None:
    """Raises TransactionRequired when the session is another client's: its transaction cannot be joined."""
    untyped: object = session
    wanted, of = ("a ClientSession", "MongoClient")
    if isinstance(client, AsyncMongoClient):
        wanted, of = ("an AsyncClientSession", "AsyncMongoClient")
    if not isinstance(untyped, ClientSession if of == "MongoClient" else AsyncClientSession):
        raise TransactionRequired(
            f"the session is a {type(untyped).__name__}, not {wanted} of the {of} that the {owner} was "
            "made with, so its transaction cannot be joined"
        )
    if untyped.client is not client:
        raise TransactionRequired(
            f"the transaction is of another {of}; make the {owner} with the client whose transaction it is"
        )


def _current(given: object, current: Callable[[], Session | None]) -> Any:
    """Returns the session that pymongo or mongoengine has as current. If both have one, it must be the same."""
    bound = current()
    try:
        engine = mongoengine_session()
    except ImportError as error:
        raise TransactionRequired(
            f"mongoengine's run_in_transaction may be open here, and cannot be seen: {error}"
        ) from error
    if engine is None:
        return bound
    for other in (bound, given):
        if other is not None and other is not engine:
            raise TransactionRequired(
                "mongoengine's run_in_transaction is open here, and another session is "
                f"{'bound' if other is bound else 'given'}: the message can commit with one of them only. "
                "Leave one of the two"
            )
    return engine

"""Makes calls of the driver bounded in time, free of the caller's session, and transactions of our own."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from outbox.errors import UnsupportedServer
from outbox.mongo import patience
from outbox.mongo.codec import RAW
from outbox.mongo.server_errors import is_transient

P = ParamSpec("P")
T = TypeVar("T")

_API_STRICT = 323
_TRY_SECONDS = 0.2
PAUSE_SECONDS = 0.6
"""Longer than the driver waits before it repeats a refused transaction (0.5 s in pymongo 4.20): each one that a try has
held up gets through before the next try. With less, it could miss the pause again and again."""


@contextlib.contextmanager
def time_limit(seconds: float | None = None) -> Iterator[None]:
    """Bounds every driver call inside: a client with default settings hung 29 s on a frozen primary (measured).

    The limit is 5 s by default, and more while the majority of the servers is slow, see outbox.mongo.patience.
    Raises UnsupportedServer when the client's server API refuses one.
    """
    try:
        with pymongo.timeout(patience.seconds() if seconds is None else seconds):
            yield
    except OperationFailure as error:
        if error.code != _API_STRICT:
            raise
        raise UnsupportedServer(
            "the client was made with ServerApi(…, strict=True), and the stable API leaves out what a log needs: give "
            "the outbox a client without strict"
        ) from error


def outside_bound_session(function: Callable[P, T]) -> Callable[P, T]:
    """Makes a function run outside the caller's context, so that its calls never join a session bound by the caller."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return contextvars.Context().run(function, *args, **kwargs)

    return wrapper


@outside_bound_session
def transaction(client: MongoClient[Any], work: Callable[[ClientSession], T], seconds: float = 15.0) -> T:
    """Does `work` in a transaction with the collections' settings; does it again after errors that pass by themselves.

    Raises what `work` raises, and pymongo's errors.
    """
    with time_limit(seconds), client.start_session() as session:
        return transact(session, work)


def in_short_tries(
    change: Callable[[], object], is_done: Callable[[], bool], pause: Callable[[PyMongoError], None]
) -> None:
    """Changes a collection with a collMod, in short tries: while one waits for an open transaction, all others on the
    collection wait behind it, or are refused and come again.

    pause: waits for PAUSE_SECONDS after a try that an error has ended, or raises it. is_done: tells whether a try has
    done it all the same; then the next one waits until a majority confirms it. Raises pymongo's errors.
    """
    seconds: float | None = _TRY_SECONDS
    while True:
        try:
            with time_limit(seconds):
                change()
            return
        except PyMongoError as error:
            if not is_transient(error):
                raise
            pause(error)
        seconds = None if is_done() else _TRY_SECONDS


@dataclass(frozen=True)
class Write:
    """Describes a write of a transaction, so that either of the driver's faces can send it."""

    collection: Collection[Any]
    filter: Mapping[str, Any]
    update: Any
    """None: all that match are deleted."""
    missing: Callable[[], Exception] | None = None
    """Makes the error when an update matches nothing."""

    @outside_bound_session
    def send(self, session: ClientSession) -> None:
        """Writes it in the session's transaction. Raises what `missing` makes, and pymongo's errors."""
        with time_limit():
            if self.update is None:
                self.collection.delete_many(self.filter, session=session)
            else:
                self.check(self.collection.update_one(self.filter, self.update, session=session).matched_count)

    def check(self, matched: int) -> None:
        """Raises what `missing` makes when an update has matched nothing."""
        if not matched and self.missing is not None:
            raise self.missing()


@dataclass(frozen=True)
class Find:
    """Describes a query of a transaction, so that either of the driver's faces can ask it."""

    collection: Collection[Any]
    filter: Mapping[str, Any]
    fields: Mapping[str, Any] | None = None
    """Which fields of a document are wanted; None for all."""
    limit: int = 0
    """The most documents; 0 for all of them."""

    @property
    def options(self) -> dict[str, Any]:
        """Returns what `find` of a collection takes besides the session."""
        return {"filter": self.filter, "projection": self.fields, "limit": self.limit}

    @outside_bound_session
    def ask(self, session: ClientSession) -> list[RawBSONDocument]:
        """Asks it in the session's transaction. Raises pymongo's errors."""
        with time_limit():
            return list(self.collection.with_options(codec_options=RAW).find(**self.options, session=session))


def transact(session: ClientSession, work: Callable[[ClientSession], T]) -> T:
    """Does `work` in a transaction of this session, as `transaction`, with no limit of ours on its time."""
    return session.with_transaction(
        work,
        read_concern=ReadConcern("snapshot"),
        write_concern=WriteConcern("majority"),
        read_preference=ReadPreference.PRIMARY,
    )

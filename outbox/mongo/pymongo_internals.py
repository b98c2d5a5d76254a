"""Finds the private names of pymongo that this package uses, all of them here and at import.

Seen in pymongo 4.20.
"""

from __future__ import annotations

import contextvars
import functools
import importlib
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from pymongo import AsyncMongoClient, MongoClient, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.change_stream import CollectionChangeStream
from pymongo.client_session import ClientSession
from pymongo.database import Database

P = ParamSpec("P")
T = TypeVar("T")


def first_existing(*places: str) -> Any:
    """Returns what the first of these places has that exists; a place is `module:name.name`.

    Raises ImportError, with what to install, when none of them exists.
    """
    for place in places:
        module, _, names = place.partition(":")
        value: Any = importlib.import_module(module)
        for name in names.split("."):
            value = getattr(value, name, None)
        if value is not None:
            return value
    library = places[0].partition(":")[0].partition(".")[0]
    raise ImportError(_gone(library, *places))


def _gone(library: str, *places: str) -> str:
    return (
        f"{library} {importlib.metadata.version(library)} has no {' and no '.join(places)}, which this version of "
        f"mongo-outbox relies on: install an older {library}, or a newer mongo-outbox"
    )


_BOUND = first_existing("pymongo.synchronous.client_session:_SESSION")
_BOUND_ASYNC = first_existing("pymongo.asynchronous.client_session:_SESSION")
_REMAINING = first_existing("pymongo._csot:remaining")
_RETRYABLE_WRITE = first_existing("pymongo:MongoClient._retryable_write")
_RETRYABLE_ASYNC_WRITE = first_existing("pymongo:AsyncMongoClient._retryable_write")
checked_reply: Callable[[Mapping[str, Any]], None] = first_existing(
    "pymongo.helpers_shared:_check_write_command_response"
)
"""Raises what pymongo raises for the write errors in a reply."""


def bound_session() -> ClientSession | None:
    """Returns the session that pymongo's `session.bind()` made current in this context: this thread or asyncio task."""
    session: ClientSession | None = _BOUND.get()
    return session


def bound_async_session() -> AsyncClientSession | None:
    """Returns the asynchronous session that `session.bind()` made current in this asyncio task."""
    session: AsyncClientSession | None = _BOUND_ASYNC.get()
    return session


@contextmanager
def no_bound_async_session() -> Iterator[None]:
    """Makes what runs inside ignore a bound asynchronous session; the rest of the task's context holds."""
    token = _BOUND_ASYNC.set(None)
    try:
        yield
    finally:
        _BOUND_ASYNC.reset(token)


def unbound(function: Callable[P, T]) -> Callable[P, T]:
    """Makes a function ignore a bound session; the rest of the caller's context holds, such as `pymongo.timeout`."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        context = contextvars.copy_context()
        context.run(_BOUND.set, None)
        return context.run(function, *args, **kwargs)

    return wrapper


def own_limit(client: MongoClient[Any] | AsyncMongoClient[Any]) -> float | None:
    """Returns the caller's own time limit for a call, in seconds: what `pymongo.timeout` leaves, else `timeoutMS`."""
    remaining: float | None = _REMAINING()
    return client.options.timeout if remaining is None else max(remaining, 0.001)  # 0 would be no limit at all


def await_at_most(stream: CollectionChangeStream[Any], milliseconds: int) -> None:
    """Changes how long the server waits for the next change; pymongo's own way is for a whole stream.

    Where a pymongo has other names for it, nothing is changed: that costs CPU, and nothing else.
    """
    cursor = getattr(stream, "_cursor", None)
    if getattr(cursor, "_max_await_time_ms", None) is not None:
        cursor._max_await_time_ms = milliseconds  # type: ignore[union-attr]  # it has it


def retried(database: Database[Any], command: dict[str, Any], write_concern: WriteConcern) -> None:
    """Runs a write command outside transactions as pymongo runs its own: repeated once, and written once.

    Only pymongo's own methods can do that, and none takes a field of the command that pymongo does not know.
    """
    settings = _settings(database, write_concern)

    def run(session: Any, connection: Any, retryable: bool) -> None:
        checked_reply(
            connection.command(database.name, command, **settings, session=session, retryable_write=retryable)
        )

    _RETRYABLE_WRITE(database.client, True, run, None, operation="insert")


async def retried_async(database: AsyncDatabase[Any], command: dict[str, Any], write_concern: WriteConcern) -> None:
    """Runs a write command as `retried`, by an asynchronous client."""
    settings = _settings(database, write_concern)

    async def run(session: Any, connection: Any, retryable: bool) -> None:
        sent = connection.command(database.name, command, **settings, session=session, retryable_write=retryable)
        checked_reply(await sent)

    await _RETRYABLE_ASYNC_WRITE(database.client, True, run, None, operation="insert")


def _settings(database: Database[Any] | AsyncDatabase[Any], write_concern: WriteConcern) -> dict[str, Any]:
    return {"codec_options": database.codec_options, "write_concern": write_concern, "client": database.client}


def synchronous(client: AsyncMongoClient[Any], make: Callable[..., MongoClient[Any]]) -> MongoClient[Any]:
    """Makes a synchronous client with the settings of an asynchronous one. No I/O before its first use."""
    settings: Mapping[str, Any] | None = getattr(client, "_init_kwargs", None)
    if settings is None:
        raise ImportError(_gone("pymongo", "AsyncMongoClient._init_kwargs"))
    return make(**{**settings, "connect": False})

"""Private names of pymongo and mongoengine: all that this package uses of them stands here, and is tried at import.

Seen in pymongo 4.20, in mongoengine 0.29 and in its master of June 2026, which becomes the release after 0.29.3.
"""

from __future__ import annotations

import contextvars
import functools
import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

import mongoengine  # type: ignore[import-untyped]  # mongoengine ships no types
import pymongo
from mongoengine import fields
from pymongo import MongoClient, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.database import Database

P = ParamSpec("P")
T = TypeVar("T")

_DOCUMENT = ("_class_name", "_data", "_db_field_map", "_dynamic", "_fields", "_fields_ordered", "_meta")


def _first(*places: str) -> Any:
    """What the first of these places has that exists; a place is `module:name.name`. Raises ImportError."""
    for place in places:
        module, _, names = place.partition(":")
        found: Any = importlib.import_module(module)
        for name in names.split("."):
            found = getattr(found, name, None)
        if found is not None:
            return found
    library = places[0].partition(":")[0].partition(".")[0]
    version = mongoengine.get_version() if library == "mongoengine" else pymongo.version
    raise ImportError(
        f"{library} {version} has no {' and no '.join(places)}, which this version of mongo-outbox relies on: install "
        f"an older {library}, or a newer mongo-outbox"
    )


class _Probe(mongoengine.EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    meta = {"abstract": True}  # noqa: RUF012  # mongoengine's own way


for _name in _DOCUMENT:
    if not hasattr(_Probe, _name):
        _first(f"mongoengine:EmbeddedDocument.{_name}")  # raises

_BOUND = _first("pymongo.synchronous.client_session:_SESSION")
_REMAINING = _first("pymongo._csot:remaining")
_RETRYABLE_WRITE = _first("pymongo:MongoClient._retryable_write")
checked_reply: Callable[[Mapping[str, Any]], None] = _first("pymongo.helpers_shared:_check_write_command_response")
"""Raises what pymongo raises for the write errors in a reply."""
document_class: Callable[[str], Any] = _first(
    "mongoengine.base:get_document", "mongoengine.base.common:_DocumentRegistry.get"
)
"""The document class of a `_cls`. Raises mongoengine's NotRegistered."""

INTEGERS: tuple[type, ...] = tuple(getattr(fields, name) for name in ("IntField", "LongField") if hasattr(fields, name))
"""mongoengine's integer fields; LongField is gone in the release after 0.29.3."""


def bound_session() -> ClientSession | None:
    """The session that pymongo's `session.bind()` made current: in the context, so in this thread or asyncio task."""
    session: ClientSession | None = _BOUND.get()
    return session


def unbound(function: Callable[P, T]) -> Callable[P, T]:
    """Runs a function beside a session that is bound, in all else in the caller's context: `pymongo.timeout` holds."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        context = contextvars.copy_context()
        context.run(_BOUND.set, None)
        return context.run(function, *args, **kwargs)

    return wrapper


def own_limit(client: MongoClient[Any]) -> float | None:
    """The seconds by which the caller bounds calls himself: what `pymongo.timeout` leaves, else `timeoutMS`."""
    remaining: float | None = _REMAINING()
    return client.options.timeout if remaining is None else max(remaining, 0.001)  # 0 would be no limit at all


def retried(database: Database[Any], command: dict[str, Any], write_concern: WriteConcern) -> None:
    """Runs a write command outside transactions as pymongo runs its own: repeated once, and written once.

    Only pymongo's own methods can do that, and none takes a field of the command that pymongo does not know.
    """
    client = database.client

    def run(session: Any, connection: Any, retryable: bool) -> None:
        reply = connection.command(
            database.name,
            command,
            codec_options=database.codec_options,
            write_concern=write_concern,
            session=session,
            client=client,
            retryable_write=retryable,
        )
        checked_reply(reply)

    _RETRYABLE_WRITE(client, True, run, None, operation="insert")


def mongoengine_session() -> ClientSession | None:
    """The session of mongoengine's own `run_in_transaction`, which it keeps in a thread-local and pymongo never sees.

    Raises ImportError when mongoengine has such transactions and its session cannot be found.
    """
    connection: ModuleType | None = sys.modules.get("mongoengine.connection")
    current = getattr(connection, "_get_session", None)
    if current is not None:
        session: ClientSession | None = current()
        return session
    if hasattr(sys.modules.get("mongoengine.context_managers"), "run_in_transaction"):
        return _first("mongoengine.connection:_get_session")  # type: ignore[no-any-return]  # raises: it is not there
    return None

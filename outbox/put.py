"""Putting: messages into staging, in the caller's transaction or in one of their own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import OperationFailure
from pymongo.synchronous import client_session

from outbox import staging
from outbox.collections import Collections, apart, call
from outbox.collections import transaction as own_transaction
from outbox.errors import (
    InvalidMessage,
    MessageTooLarge,
    OutboxNotCreated,
    TransactionRequired,
    UnknownMessage,
)
from outbox.footprint import check_footprint
from outbox.limits import check_key, checked_headers
from outbox.messages import MessageTypes
from outbox.validator import schemas_of

_INVALID = 121  # DocumentValidationFailure
_OWN_TRANSACTION_SECONDS = 30.0


class Message(Protocol):
    """An instance of a message class, to the eyes of a type checker: mongoengine's documents come without types."""

    def to_mongo(self) -> Any: ...


def listed(message: Message | Sequence[Message]) -> Sequence[object]:
    """One message or several, as several. Raises UnknownMessage for text, which Python takes for a sequence."""
    if isinstance(message, (str, bytes)):
        raise UnknownMessage(f"{type(message).__name__} is not a message: put an instance of a message class")
    return message if isinstance(message, Sequence) else [message]


_NO_TRANSACTION = (
    "put was called outside a transaction, so the message would not commit with the data: give it `session=`, or call "
    "it inside `with session.bind(), session.start_transaction():`; `session.with_transaction(…)` starts one too. "
    "A message that belongs to no other write is put with standalone=True"
)


def bound_session() -> ClientSession | None:
    """The session that `session.bind()` made current, which pymongo has no public call for; a test watches over this.

    Found here and nowhere else: a session of our own inside a bound one would commit apart from it (measured).
    """
    return client_session._SESSION.get()


def transaction(session: ClientSession | None, *, standalone: bool) -> ClientSession | None:
    """The session whose transaction a put joins: the bound one, else the one given. None for a standalone put.

    Raises TransactionRequired where no transaction is, and where one is that `standalone` contradicts.
    """
    bound = bound_session()
    if standalone:
        if session is not None or (bound is not None and bound.in_transaction):
            raise TransactionRequired(
                f"standalone=True, but a {'session was given' if session is not None else 'transaction is bound here'}:"
                " leave standalone out to put in that transaction, or put outside it"
            )
        return None
    current = session if bound is None else bound
    if current is None:
        raise TransactionRequired(_NO_TRANSACTION)
    if not current.in_transaction:
        raise TransactionRequired(f"the session has no transaction; {_NO_TRANSACTION}")
    return current


def encode(
    messages: Sequence[object], headers: Mapping[str, str] | None, types: MessageTypes, max_message_bytes: int
) -> dict[ObjectId, bytes]:
    """The staging document of each message, by its new id. Raises what `Outbox.put` raises before asking the server."""
    checked = {} if headers is None else checked_headers(headers)
    created = time.time_ns() // 1_000_000
    documents = {}
    for message in messages:
        id = ObjectId()
        type, key, data = types.encode(message)
        check_key(type, key)
        document = staging.encode(id, created, type, key, checked, data)
        if len(document) > max_message_bytes:
            raise MessageTooLarge(
                f"a {type!r} with key {key!r} takes {len(document)} bytes, more than max_message_bytes="
                f"{max_message_bytes}: put a reference to the data instead, or raise the limit and run create()"
            )
        check_footprint(type, key, checked, document, max_message_bytes)
        documents[id] = document
    return documents


class Putter:
    """Writes staging documents. Thread-safe."""

    def __init__(self, collections: Collections, types: MessageTypes, max_message_bytes: int) -> None:
        self._collections = collections
        self._types = types
        self._max_message_bytes = max_message_bytes
        self._staging: Collection[Any] = collections.staging
        self._checked = False

    def put(
        self,
        messages: Sequence[object],
        session: ClientSession | None,
        headers: Mapping[str, str] | None,
        *,
        standalone: bool,
    ) -> list[ObjectId]:
        """All of them or none. Raises as `Outbox.put` says."""
        session = transaction(session, standalone=standalone)
        if session is not None and session.client is not self._collections.client:
            raise TransactionRequired(
                "the transaction is of another MongoClient; make the Outbox with the client whose transaction it is"
            )
        encoded = encode(messages, headers, self._types, self._max_message_bytes)
        if not encoded:
            return []
        if not self._checked:
            self._check_created()
        documents = [RawBSONDocument(document) for document in encoded.values()]
        try:
            self._insert(documents, session)
        except OperationFailure as error:
            if not _is_invalid(error):
                raise
            raise InvalidMessage(
                f"the server's validator refused the message; the transaction it was in is aborted: {_reason(error)}. "
                "Another version of the service may have created the outbox: run create() with these message classes"
            ) from None  # the server's error holds the message's values, which may be secrets
        return list(encoded)

    def _insert(self, documents: list[RawBSONDocument], session: ClientSession | None) -> None:
        if session is not None:
            self._staging.insert_many(documents, session=session)
        else:
            self._insert_apart(documents)

    @apart  # from a session that is bound without a transaction
    def _insert_apart(self, documents: list[RawBSONDocument]) -> None:
        if len(documents) == 1:
            with call():
                self._staging.insert_one(documents[0])
        else:
            own_transaction(
                self._collections.client,
                lambda session: self._staging.insert_many(documents, session=session),
                _OWN_TRANSACTION_SECONDS,
            )

    @apart  # listing collections is not allowed inside a transaction
    def _check_created(self) -> None:
        name = self._collections.staging.name
        with call():
            found = list(self._collections.database.list_collections(filter={"name": name}))
        known = schemas_of(found[0]["options"].get("validator", {})) if found else {}
        missing = [each for each in self._types.names if each not in known]
        if missing:
            raise OutboxNotCreated(
                f"{self._collections.staging.full_name} "
                + (f"does not know the message types {', '.join(missing)}" if known else "was not made by create()")
                + ": run Outbox(…).create() once at deployment, or `outbox create APP`"
            )
        self._checked = True


def _is_invalid(error: OperationFailure) -> bool:
    return error.code == _INVALID or any(each.get("code") == _INVALID for each in _write_errors(error))


def _write_errors(error: OperationFailure) -> list[dict[str, Any]]:
    details: Any = error.details
    return list((details or {}).get("writeErrors", []))


def _reason(error: OperationFailure) -> str:
    """The server's own explanation, without the message's values: those may be secrets."""
    details: Any = _write_errors(error)[0] if _write_errors(error) else error.details
    rules = (details or {}).get("errInfo", {}).get("details", {})
    return str(_without_values(rules))[:1000]


def _without_values(rules: Any) -> Any:
    if isinstance(rules, dict):
        return {k: _without_values(v) for k, v in rules.items() if k not in ("consideredValue", "consideredValues")}
    if isinstance(rules, list):
        return [_without_values(each) for each in rules]
    return rules

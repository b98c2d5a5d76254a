"""Puts messages into staging, in the caller's transaction or in one of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from outbox.counting.tally import Tally
from outbox.errors import (
    InvalidMessage,
    MessageTooLarge,
    OutboxNotCreated,
    UnknownMessage,
)
from outbox.messages.compaction import COMPACTION_ID
from outbox.messages.limits import check_key, checked_headers, with_own
from outbox.messages.message_types import MessageTypes
from outbox.messages.versions import SCHEMA_VERSION
from outbox.mongo.calls import transaction
from outbox.mongo.collections import Collections
from outbox.mongo.pymongo_internals import own_limit, unbound
from outbox.staging import document as staging
from outbox.staging.compacted import check_compacted, compacted
from outbox.staging.footprint import check_footprint
from outbox.staging.insertion import TRANSACTION_SECONDS, Gone, Place, look
from outbox.staging.refusal import is_invalid, reason
from outbox.staging.tombstone import Tombstone
from outbox.staging.transaction import check_client, joined


class Document(Protocol):
    """An instance of a message class, for type checkers: mongoengine's documents have no types."""

    def to_mongo(self) -> Any: ...


class Model(Protocol):
    """The same of pydantic, which this package does not import by itself."""

    def model_dump(self) -> dict[str, Any]: ...


Message = Document | Model
T = TypeVar("T")


Changed = Callable[[Mapping[ObjectId, bytes], ClientSession], set[ObjectId]]
"""Chooses, in a transaction, those of some encoded messages that change anything."""


def as_sequence(message: Message | Sequence[Message]) -> Sequence[object]:
    """Returns one message or several as a sequence. Raises UnknownMessage for text, which is a sequence to Python."""
    if isinstance(message, (str, bytes)):
        raise UnknownMessage(f"{type(message).__name__} is not a message: put an instance of a message class")
    return message if isinstance(message, Sequence) else [message]


def encode(
    messages: Sequence[object], headers: Mapping[str, str] | None, types: MessageTypes, max_message_bytes: int
) -> dict[ObjectId, bytes]:
    """Encodes the staging document of each message, by its new id. Raises what `Outbox.put` raises without a server."""
    checked = {} if headers is None else checked_headers(headers)
    created = time.time_ns() // 1_000_000
    of_all = staging.headers_element(checked)
    documents = {}
    for message in messages:
        id = ObjectId()
        type, key, own, data = _encoded(message, checked, types)
        check_key(type, key)
        if type in types.compactions:
            check_key(type, types.compaction_id(type, key, own, data), "compaction id")
        headers_element = of_all if own is checked else staging.headers_element(own)
        document = staging.compose(id, created, type, key, headers_element, data)
        if len(document) > max_message_bytes:
            raise MessageTooLarge(
                f"a {type!r} with key {key!r} takes {len(document)} bytes, more than max_message_bytes="
                f"{max_message_bytes}: put a reference to the data instead, or raise the limit and run create()"
            )
        check_footprint(type, key, own, document, max_message_bytes)
        documents[id] = document
    return documents


def _encoded(
    message: object, headers: dict[str, str], types: MessageTypes
) -> tuple[str, str | None, dict[str, str], bytes | None]:
    if not isinstance(message, Tombstone):
        type, key, data = types.encode(message)
        if types.versions[type] > 1:
            headers = with_own(headers, SCHEMA_VERSION, str(types.versions[type]))
        return type, key, headers, data
    if message.compaction_id is not None:
        headers = with_own(headers, COMPACTION_ID, message.compaction_id)
    return types.name_of(message.message_class), message.key, headers, None


def count_put(tally: Tally, messages: Sequence[object], ids: Sequence[ObjectId | None], types: MessageTypes) -> None:
    """Counts the messages that were put, by type. None in place of an id: the message was not put."""
    counts: dict[str, int] = {}  # a Counter would take longer than all the rest, for one message
    for each, id in zip(messages, ids, strict=True):
        if id is not None:
            name = types.name_of(each.message_class if isinstance(each, Tombstone) else type(each))
            counts[name] = counts.get(name, 0) + 1
    for name, count in counts.items():
        tally.put.add(name, count)


@contextmanager
def refusals_explained() -> Iterator[None]:
    """Makes InvalidMessage of what the server's validator says of a message that it refuses."""
    try:
        yield
    except OperationFailure as error:
        if not is_invalid(error):
            raise
        raise InvalidMessage(
            f"{reason(error)}: the server's validator refused the message; the transaction it was in is aborted. "
            "Another version of the service may have created the outbox: run create() with these message classes"
        ) from None  # the server's error holds the message's values, which may be secrets


def dropped(collections: Collections) -> OutboxNotCreated:
    """Makes the error of a put into a staging that is not the one this process knows."""
    return OutboxNotCreated(
        f"{collections.staging.full_name} was dropped, and may be made anew, since this process looked "
        "at it. Nothing was put, and the transaction is aborted: run create() if nobody has, and try again"
    )


def dropped_again(collections: Collections) -> OutboxNotCreated:
    """Makes the error of a put that found another staging at each of its looks."""
    return OutboxNotCreated(f"{collections.staging.full_name} is dropped and made anew all the time: nothing was put")


class Putter:
    """Writes messages into staging. Thread-safe."""

    def __init__(self, collections: Collections, types: MessageTypes, max_message_bytes: int) -> None:
        self._collections = collections
        self._types = types
        self._max_message_bytes = max_message_bytes
        self._place: Place | None = None

    def put(
        self,
        messages: Sequence[object],
        session: ClientSession | None,
        headers: Mapping[str, str] | None,
        *,
        standalone: bool,
    ) -> list[ObjectId]:
        """Puts all of the messages or none, and returns their ids. Raises as `Outbox.put` says."""
        session = self._joined(session, standalone)
        encoded = encode(messages, headers, self._types, self._max_message_bytes)
        if not encoded:
            return []
        documents = [RawBSONDocument(document) for document in encoded.values()]
        with refusals_explained():
            if session is None:
                self._apart(lambda: self._try_apart(documents))
            else:
                self._within(lambda place: place.insert(documents, session))
        count_put(self._collections.tally, messages, list(encoded), self._types)
        return list(encoded)

    def put_changed(
        self,
        messages: Sequence[object],
        session: ClientSession | None,
        headers: Mapping[str, str] | None,
        *,
        standalone: bool,
        changed: Changed,
    ) -> list[ObjectId | None]:
        """Puts those that `changed` chooses, in a transaction also when standalone; returns None for the others."""
        session = self._joined(session, standalone)
        encoded = encode(messages, headers, self._types, self._max_message_bytes)
        check_compacted(compacted(document, self._types.compactions) for document in encoded.values())

        def insert(place: Place, session: ClientSession) -> set[ObjectId]:
            chosen = changed(encoded, session)
            if chosen:
                place.insert([RawBSONDocument(each) for id, each in encoded.items() if id in chosen], session)
            return chosen

        def insert_apart() -> set[ObjectId]:
            place, client = self._known(), self._collections.client
            limit = own_limit(client)
            seconds = TRANSACTION_SECONDS if limit is None else limit
            return transaction(client, lambda session: insert(place, session), seconds)

        if not encoded:
            return []
        with refusals_explained():
            chosen = (
                self._apart(insert_apart) if session is None else self._within(lambda place: insert(place, session))
            )
        ids = [id if id in chosen else None for id in encoded]
        count_put(self._collections.tally, messages, ids, self._types)
        return ids

    def forget(self) -> None:
        """Makes the next put look at staging again: create() or drop() of this process has changed it."""
        self._place = None

    def _joined(self, session: ClientSession | None, standalone: bool) -> ClientSession | None:
        session = joined(session, standalone=standalone)
        if session is not None:
            check_client(session, self._collections.client)
        return session

    def _within(self, insert: Callable[[Place], T]) -> T:
        try:
            return insert(self._known())
        except Gone as gone:
            self.forget()
            raise dropped(self._collections) from gone

    @unbound
    def _apart(self, insert: Callable[[], T]) -> T:
        try:
            return insert()
        except Gone:
            self.forget()  # a second look sees whether staging was made anew
            try:
                return insert()
            except Gone as gone:
                raise dropped_again(self._collections) from gone

    def _try_apart(self, documents: list[RawBSONDocument]) -> None:
        place, limit = self._known(), own_limit(self._collections.client)
        if len(documents) == 1:
            place.insert_alone(documents[0], limit)
        else:
            place.insert_together(documents, limit)

    def _known(self) -> Place:
        place = self._place
        if place is None:
            self._place = place = self._look()
        return place

    @unbound  # listing collections is not allowed inside a transaction
    def _look(self) -> Place:
        return look(self._collections, self._types)

"""Puts messages of other outboxes into this one, each once: which have arrived is stored with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from outbox.errors import InvalidMessage, OutboxNotCreated
from outbox.mongo.calls import outside_bound_session, time_limit, transaction
from outbox.mongo.collections import CollectionInfo, Collections, create_collection
from outbox.mongo.server_errors import patiently
from outbox.staging.insertion import TRANSACTION_SECONDS, Gone, Place, place
from outbox.staging.put import dropped_again
from outbox.staging.refusal import is_invalid, reason
from outbox.staging.validator import max_message_bytes_of, types_of
from outbox.transfer.arrival import Arrival

PATIENCE_SECONDS = 60.0
"""How long an election, or a server that is away, is waited for."""


@dataclass(frozen=True)
class Destination:
    """Staging as it was looked at: where to insert, and what is taken."""

    place: Place
    types: tuple[str, ...]
    max_message_bytes: int

    def insert(self, arrivals: Sequence[Arrival], session: ClientSession) -> None:
        """Stages messages in the session's transaction. Raises InvalidMessage, Gone and pymongo's errors."""
        created = time.time_ns() // 1_000_000
        documents = []
        for each in arrivals:
            document = each.staged(ObjectId(), created)
            each.check(document, self.types, self.max_message_bytes)
            documents.append(RawBSONDocument(document))
        try:
            self.place.insert(documents, session)
        except OperationFailure as error:
            if not is_invalid(error):
                raise
            # Without the server's own answer, which has the message's values.
            raise InvalidMessage(f"the server's validator refuses it: {reason(error)}") from None


def look(collections: Collections) -> Destination:
    """Looks at staging. Raises OutboxNotCreated and pymongo's errors."""
    with time_limit():
        info = collections.info(collections.staging.name)
        wire = collections.client.admin.command("hello")["maxWireVersion"]
    return _destination(collections, info, wire)


def _destination(collections: Collections, info: CollectionInfo | None, wire: int) -> Destination:
    validator = {} if info is None else info.options.get("validator", {})
    types, most = types_of(validator), max_message_bytes_of(validator)
    if not types or most is None:
        raise OutboxNotCreated(
            f"{collections.staging.full_name} was not made by create(): run Outbox(…).create() once at deployment, or "
            "`outbox create APP`"
        )
    return Destination(place(collections, info, wire, ()), types, most)


def new_ones(collections: Collections, arrivals: Sequence[Arrival], session: ClientSession) -> list[Arrival]:
    """Returns those that have not arrived before, as the transaction sees it. Raises pymongo's errors."""
    ids = {"_id": {"$in": [each.origin.id for each in arrivals]}}
    there = {each["_id"] for each in collections.imported.find(ids, {"_id": 1}, session=session)} if arrivals else set()
    return [each for each in arrivals if each.origin.id not in there]


def remember(collections: Collections, arrivals: Sequence[Arrival], session: ClientSession) -> None:
    """Notes, in the transaction that stages them, that they have arrived. Raises pymongo's errors."""
    now = datetime.now(UTC)
    collections.imported.insert_many([{"_id": each.origin.id, "at": now} for each in arrivals], session=session)


class Arrivals:
    """Puts messages into an outbox that have not arrived there before, in the order in which they are given.

    What has arrived is in `NAME.imported`, a document for each message, by its id in its first outbox; it is written
    in the transaction that stages the message. Not thread-safe; any number of processes may put at the same time.
    """

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._destination: Destination | None = None

    @outside_bound_session
    def open(self) -> None:
        """Raises OutboxNotCreated and pymongo's errors."""
        patiently(self._open, PATIENCE_SECONDS)

    def _open(self) -> None:
        self._destination = look(self._collections)
        create_collection(self._collections, self._collections.imported.name)

    def put(self, arrivals: Sequence[Arrival]) -> int:
        """Puts all of them but those that have arrived before, in a transaction; returns how many that were.

        Raises InvalidMessage for a message that is refused, when none of them is put; OutboxNotCreated, and pymongo's
        errors that do not pass within a minute.
        """
        first = {each.origin.id: each for each in reversed(arrivals)}
        chosen = [each for each in arrivals if first[each.origin.id] is each]
        return patiently(lambda: self._through_changes(lambda: self._put(chosen)), PATIENCE_SECONDS)

    def _through_changes(self, put: Callable[[], int]) -> int:
        try:
            return put()
        except (Gone, InvalidMessage):  # staging may have been made anew, or take more by now
            self._destination = look(self._collections)
            try:
                return put()
            except Gone as gone:
                raise dropped_again(self._collections) from gone

    def _put(self, arrivals: Sequence[Arrival]) -> int:
        destination = self._destination
        assert destination is not None, "open() comes first"

        def work(session: ClientSession) -> int:
            new = new_ones(self._collections, arrivals, session)
            if new:
                destination.insert(new, session)
                remember(self._collections, new, session)
            return len(new)

        return transaction(self._collections.client, work, TRANSACTION_SECONDS)

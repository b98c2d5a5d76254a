"""Inserts into the same staging collection that was looked at, and never into one that the insert itself makes.

An insert into a missing collection makes a plain one: with no validator and no index, and no sequencer knows of it.
From 6.0 on the server itself compares the collection's UUID. Before that, the transaction asks for the index that only
create() makes: in a collection that the insert has made, that fails and aborts the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bson.binary import Binary
from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from outbox.errors import OutboxNotCreated
from outbox.messages.message_types import MessageTypes
from outbox.messages.versions import TypeVersion
from outbox.mongo.calls import time_limit, transaction
from outbox.mongo.codec import Document
from outbox.mongo.collections import CollectionInfo, Collections
from outbox.mongo.patience import CALL_SECONDS
from outbox.mongo.pymongo_internals import checked_reply, retried
from outbox.staging.validator import schemas_of

MAJORITY = WriteConcern("majority")
NO_INDEX = (2,)  # BadValue: the index that is hinted at does not exist
NO_SUCH_UUID = (361, 40415)  # CollectionUUIDMismatch; unknown field: this server is older than the one that was asked
_COMPARES_UUIDS = 17  # the wire version of 6.0
_COMMAND_BYTES = 12_000_000
TRANSACTION_SECONDS = 30.0


class Gone(Exception):
    """The collection that was looked at was dropped, or made anew. Nothing was written. Never leaves the package."""


@dataclass(frozen=True)
class Place:
    """Inserts into one staging collection, known by its UUID, that create() made."""

    collections: Collections
    uuid: Binary
    compares: bool
    """Whether the server compares UUIDs."""

    def insert(self, documents: list[RawBSONDocument], session: ClientSession) -> None:
        """Inserts in the session's transaction. Raises Gone and pymongo's errors; each aborts the transaction."""
        if not self.compares:
            self.collections.staging.insert_many(documents, session=session)
            self._look(session)
            return
        for part in parts(documents):
            with gone_if(NO_SUCH_UUID):
                checked_reply(self._run(self.command(part), session))

    def insert_alone(self, document: RawBSONDocument, seconds: float | None) -> None:
        """Inserts one document; the driver repeats it as it does its own inserts. Raises Gone and pymongo's errors."""
        if not self.compares:
            self.insert_together([document], CALL_SECONDS if seconds is None else seconds)
            return
        with gone_if(NO_SUCH_UUID), time_limit(seconds):
            retried(self.collections.database, self.command([document]), MAJORITY)

    def insert_together(self, documents: list[RawBSONDocument], seconds: float | None) -> None:
        """Inserts in a transaction of its own. Raises Gone and pymongo's errors."""
        limit = TRANSACTION_SECONDS if seconds is None else seconds
        transaction(self.collections.client, lambda session: self.insert(documents, session), limit)

    def command(self, documents: list[RawBSONDocument]) -> Document:
        """Makes the command that inserts into this very collection, for servers that compare UUIDs."""
        return {"insert": self.collections.staging.name, "documents": documents, "collectionUUID": self.uuid}

    def index_look(self) -> Document:
        """Makes the command that asks for the index of create(), for servers that do not."""
        command = {"find": self.collections.staging.name, "filter": {}, "hint": {"at": 1}, "limit": 1}
        return {**command, "projection": {"_id": 1}, "singleBatch": True}

    def _look(self, session: ClientSession) -> None:
        with gone_if(NO_INDEX):
            self._run(self.index_look(), session)

    def _run(self, command: Document, session: ClientSession) -> Document:
        # Without it, the command would take the transaction's read preference, which may be the client's.
        return self.collections.database.command(command, session=session, read_preference=ReadPreference.PRIMARY)


@contextmanager
def gone_if(codes: tuple[int, ...]) -> Iterator[None]:
    """Makes Gone of the server's errors that have one of these codes."""
    try:
        yield
    except OperationFailure as error:
        raise (Gone() if error.code in codes else error) from error


def parts(documents: list[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    """Divides documents into lists that each fit into one command."""
    part: list[RawBSONDocument] = []
    size = 0
    for document in documents:
        if part and size + len(document.raw) > _COMMAND_BYTES:
            yield part
            part, size = [], 0
        part.append(document)
        size += len(document.raw)
    yield part


def look(collections: Collections, types: MessageTypes) -> Place:
    """Looks at staging, and returns where to insert these types. Raises OutboxNotCreated and pymongo's errors."""
    with time_limit():
        info = collections.info(collections.staging.name)
        wire = collections.client.admin.command("hello")["maxWireVersion"]
    return place(collections, info, wire, types.versioned_schemas())


def place(collections: Collections, info: CollectionInfo | None, wire: int, types: Iterable[TypeVersion]) -> Place:
    """Returns where to insert these types, by what the server says of staging and itself. Raises OutboxNotCreated."""
    known = {} if info is None else schemas_of(info.options.get("validator", {}))
    missing = [
        each.type if each.version == 1 else f"{each.type} (version {each.version})"
        for each in types
        if each not in known
    ]
    if missing or info is None or info.uuid is None:
        raise OutboxNotCreated(
            f"{collections.staging.full_name} "
            + (f"does not know the message types {', '.join(missing)}" if known else "was not made by create()")
            + ": run Outbox(…).create() once at deployment, or `outbox create APP`"
        )
    return Place(collections, info.uuid, wire >= _COMPARES_UUIDS)

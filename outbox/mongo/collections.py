"""Gives the collections of an outbox, with our own settings whatever the user's client says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from bson import Int64
from bson.binary import Binary
from pymongo import AsyncMongoClient, MongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from outbox.counting.tally import Tally
from outbox.errors import IncompatibleOutbox, InvalidDatabase, InvalidName
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import DECODED, Document
from outbox.mongo.heartbeat import Heartbeat
from outbox.mongo.lease import SECONDS, Lease

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_NAMESPACE_EXISTS = 48
_SYNCHRONOUS = (MongoClient, Database, Collection)
_ASYNCHRONOUS = (AsyncMongoClient, AsyncDatabase, AsyncCollection)
_OTHERS = ("motor", "agnostic", "async")
SETTINGS: dict[str, Any] = {
    "codec_options": DECODED,
    "read_preference": ReadPreference.PRIMARY,
    "write_concern": WriteConcern("majority"),
    "read_concern": ReadConcern("majority"),
}
"""Of our own handle of the user's database."""

HIGHEST_SEQ = 1 << 62
READERS: Document = {
    "seq": {
        "$type": ["int", "long", "double"],
        "$gte": 0,
        "$lte": Int64(HIGHEST_SEQ),
        "$not": {"$type": "array"},  # a query matches an array if one of its items does
    }
}
"""Finds the cursors among the documents of `NAME.cursors`; for a reader with several shares, one document is no cursor.

A value written by hand that is no seq does not hold the sequencer back; the reader says what is wrong with it.
"""


class CollectionInfo(NamedTuple):
    """Holds what the server says of a collection, or of a view."""

    type: str
    """`collection`, `view` or `timeseries`."""
    options: Document
    uuid: Binary | None
    """None for a view."""


def collection_info(listed: Mapping[str, Any]) -> CollectionInfo:
    """Reads one answer to `listCollections`."""
    return CollectionInfo(listed.get("type", "collection"), listed["options"], listed["info"].get("uuid"))


class Collections:
    """Gives the collections of the outbox `name` in `database`: primary, majority reads, majority writes.

    Thread-safe, as pymongo's are. Raises InvalidDatabase and InvalidName.
    """

    def __init__(self, database: Database[Any], name: str) -> None:
        self.database = majority_database(database, "Outbox")
        check_name(name, "an outbox name")
        self.name = name
        self.client: MongoClient[Any] = database.client
        self.staging: Collection[Document] = self.database[f"{name}.staging"]
        self.log: Collection[Document] = self.database[name]
        self.cursors: Collection[Document] = self.database[f"{name}.cursors"]
        self.leases: Collection[Document] = self.database[f"{name}.leases"]
        self.dead: Collection[Document] = self.database[f"{name}.dead"]
        self.latest: Collection[Document] = self.database[f"{name}.latest"]
        self.states: Collection[Document] = self.database[f"{name}.states"]
        self.mirrors: Collection[Document] = self.database[f"{name}.mirrors"]
        self.schemas: Collection[Document] = self.database[f"{name}.schemas"]
        self.imported: Collection[Document] = self.database[f"{name}.imported"]
        self.acts: Collection[Document] = self.database[f"{name}.acts"]
        self.tally = Tally()
        """What this process has counted for the outbox."""
        self._heartbeat = Heartbeat(self.leases)

    def lease(self, role: str, *, owner: str | None = None, seconds: float = SECONDS) -> Lease:
        """Makes the lease of a role of this outbox, which is beaten for while it is held. No I/O."""
        return Lease(self.leases, role, owner=owner, seconds=seconds, heartbeat=self._heartbeat)

    def roles_held(self) -> frozenset[str]:
        """Returns the roles of this outbox that this process surely holds at the moment. Asks no server."""
        now = self._heartbeat.clock.monotonic()
        return frozenset(each.role for each in self._heartbeat.holdings() if each.is_sure(now))

    def beats_late(self) -> float:
        """Returns for how many seconds a beat for a lease has been due; 0 when none is. Asks no server."""
        return max(0.0, -self._heartbeat.left())

    def info(self, name: str) -> CollectionInfo | None:
        """Returns what the server says of the collection `name`; None when there is none. Raises pymongo's errors."""
        with time_limit():
            for listed in self.database.list_collections(filter={"name": name}):
                return collection_info(listed)
        return None

    def options(self, name: str) -> Document | None:
        """Returns the options of the collection `name`; None when there is none. Raises pymongo's errors."""
        info = self.info(name)
        return None if info is None else info.options


def check_name(name: str, what: str) -> None:
    """Raises InvalidName, which says that it is not `what`."""
    if (
        not isinstance(name, str) or not NAME.fullmatch(name) or name == "system"
    ):  # MongoDB's own collections begin with that
        raise InvalidName(f"{name!r} is not {what}: a letter, then up to 63 letters, digits, '_' or '-'; not 'system'")


def majority_database(database: Database[Any], owner: str) -> Database[Document]:
    """Returns the database with our settings: primary, majority reads and writes. Raises InvalidDatabase."""
    given: object = database
    if not isinstance(given, Database):
        raise wrong_database(given, owner, "MongoClient")
    return given.client.get_database(given.name, **SETTINGS)


def wrong_database(given: object, owner: str, client: str) -> InvalidDatabase:
    """Makes the error for what is no database of a pymongo `client`; it says what to give instead."""
    names = [f"{base.__module__}.{base.__qualname__}" for base in type(given).__mro__]
    name = "None" if given is None else names[0]
    return InvalidDatabase(f"{owner} was given {name}, which is {_what(given, names, client)}")


def _what(given: object, names: list[str], client: str) -> str:
    if isinstance(given, _SYNCHRONOUS) and client == "AsyncMongoClient":
        return f"a synchronous client's: Outbox and Inbox take its databases, this takes those of a pymongo.{client}"
    if isinstance(given, _ASYNCHRONOUS) and client == "MongoClient":
        return (
            "an asynchronous client's: AsyncOutbox and AsyncInbox take its databases, this takes those of a "
            f"pymongo.{client}"
        )
    if isinstance(given, (MongoClient, AsyncMongoClient)):
        return "a client; give one of its databases: client['shop']"
    if isinstance(given, (Collection, AsyncCollection)):
        return "a collection; give its database: collection.database"
    if any(word in name.lower() for name in names for word in _OTHERS):
        return (
            "of another asynchronous client; pymongo's own has replaced Motor: make a pymongo.AsyncMongoClient with "
            "the same settings, and give its database to AsyncOutbox or AsyncInbox"
        )
    if isinstance(given, str):
        engine = ", or mongoengine.get_db('alias')" if client == "MongoClient" else ""
        return f"text; give the database itself: {client}(…)['shop']{engine}"
    return f"no database; give one of a pymongo.{client}: client['shop']"


def options_of_collection(collections: Collections, name: str) -> Document | None:
    """Returns the options as `Collections.options`, for create(). Raises IncompatibleOutbox for a view of that name."""
    info = collections.info(name)
    if info is not None and info.type != "collection":
        raise IncompatibleOutbox(f"{collections.database.name}.{name} is a {info.type}; give the outbox another name")
    return None if info is None else info.options


def create_collection(collections: Collections, name: str, **options: Any) -> None:
    """Creates a collection unless it exists; another process may be creating it too. Raises pymongo's errors."""
    try:
        with time_limit(30):
            if name not in collections.database.list_collection_names(filter={"name": name}):
                collections.database.create_collection(name, check_exists=False, **options)
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise

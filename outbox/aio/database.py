"""Takes the user's asynchronous database, and makes the synchronous client that does all but putting for it."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database

from outbox.mongo.codec import Document
from outbox.mongo.collections import SETTINGS, wrong_database
from outbox.mongo.pymongo_internals import synchronous


class _OwnClient(MongoClient[Any]):
    """A client that only its owner knows; no user could be told to close it."""

    def __del__(self) -> None:
        pass


def majority_async_database(database: AsyncDatabase[Any], owner: str) -> AsyncDatabase[Document]:
    """Returns the database with our settings: primary, majority reads and writes. Raises InvalidDatabase."""
    given: object = database
    if not isinstance(given, AsyncDatabase):
        raise wrong_database(given, owner, "AsyncMongoClient")
    return given.client.get_database(given.name, **SETTINGS)


def synchronous_twin(database: AsyncDatabase[Any]) -> Database[Any]:
    """Makes a synchronous client with the same settings, and returns its database of the same name. No I/O."""
    return synchronous(database.client, _OwnClient)[database.name]

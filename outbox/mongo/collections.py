"""The five collections of an outbox, pinned to settings of our own, whatever the user's client says."""

from __future__ import annotations

import re
from typing import Any

from bson import Int64
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from outbox.errors import InvalidDatabase, InvalidName
from outbox.mongo.codec import DECODED, Document

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_ASYNCHRONOUS = ("async", "motor", "agnostic")

HIGHEST_SEQ = 1 << 62
READERS: Document = {
    "seq": {
        "$type": ["int", "long", "double"],
        "$gte": 0,
        "$lte": Int64(HIGHEST_SEQ),
        "$not": {"$type": "array"},  # which matches if one of its numbers does
    }
}
"""Finds the cursors among the documents of `NAME.cursors`; of a relay with several shares, one document has none.

What somebody has written there by hand and is no seq holds nobody; its relay says what is wrong with it.
"""


class Collections:
    """The collections of the outbox `name` in `database`: primary, majority reads, majority writes.

    Thread-safe, as pymongo's are. Raises InvalidDatabase and InvalidName.
    """

    def __init__(self, database: Database[Any], name: str) -> None:
        _check_database(database)
        if not NAME.fullmatch(name) or name == "system":  # MongoDB's own collections begin with that
            raise InvalidName(
                f"{name!r} is not an outbox name: a letter, then up to 63 letters, digits, '_' or '-'; not 'system'"
            )
        self.name = name
        self.database: Database[Document] = database.client.get_database(
            database.name,
            codec_options=DECODED,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority"),
            read_concern=ReadConcern("majority"),
        )
        self.client: MongoClient[Any] = database.client
        self.staging: Collection[Document] = self.database[f"{name}.staging"]
        self.log: Collection[Document] = self.database[name]
        self.cursors: Collection[Document] = self.database[f"{name}.cursors"]
        self.leases: Collection[Document] = self.database[f"{name}.leases"]
        self.dead: Collection[Document] = self.database[f"{name}.dead"]


def _check_database(database: object) -> None:
    """Raises InvalidDatabase, with what to give instead."""
    if isinstance(database, Database):
        return
    kind = type(database)
    names = [f"{each.__module__}.{each.__qualname__}" for each in kind.__mro__]
    if any(word in name.lower() for name in names for word in _ASYNCHRONOUS):
        what = (
            "an asynchronous client's; make a pymongo.MongoClient with the same settings, give its database, and put "
            "in its transactions, in a thread (asyncio.to_thread)"
        )
    elif isinstance(database, MongoClient):
        what = "a client; give one of its databases: client['shop']"
    elif isinstance(database, Collection):
        what = "a collection; give its database: collection.database"
    elif isinstance(database, str):
        what = "text; give the database itself: MongoClient(…)['shop'], or mongoengine.get_db('alias')"
    else:
        what = "no database; give one of a pymongo.MongoClient: client['shop']"
    raise InvalidDatabase(f"Outbox was given {'None' if database is None else names[0]}, which is {what}")

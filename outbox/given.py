"""What an Outbox is given for a database: only a synchronous one can be used, and others are told what to give."""

from __future__ import annotations

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from outbox.errors import InvalidDatabase

_ASYNCHRONOUS = ("async", "motor", "agnostic")


def check_database(database: object) -> None:
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

"""Finds and removes what nobody needs any more: entries, letters, leases and chunks whose time is over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pymongo.collection import Collection

from outbox.archive.archive import Archive
from outbox.consumers.inbox import kept_seconds
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.dead_letters.document import message_id
from outbox.dead_letters.store import UNMARKED
from outbox.log.reader_id import reader_of
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import patiently
from outbox.shares.layout import documents_of

_MANY = 1000
_SECONDS = 60.0
_OF_A_READER = {"_id": {"$regex": re.compile("^(relay|consumer|projection|latest|archive|mirror|replay):")}}


@dataclass(frozen=True)
class Kind:
    """One kind of what is removed."""

    name: str
    count: Callable[[], int]
    remove: Callable[[], int]
    """Removes them, and returns how many; fewer than were counted when somebody needs one again by then."""
    gives_up: bool = False
    """Whether they are messages that never arrive then."""


class Discard:
    """What of an outbox has its time behind it. Thread-safe; raises pymongo's errors, and OSError of an archive.

    older_than: for all but the inbox, which has a time of its own. inbox: the name of an Inbox in the same database.
    """

    def __init__(
        self,
        collections: Collections,
        older_than: timedelta,
        *,
        inbox: str = "inbox",
        archive: Archive | None = None,
    ) -> None:
        self._collections = collections
        self._age = older_than
        self._inbox = collections.database[inbox]
        self._archive = archive

    @property
    def kinds(self) -> list[Kind]:
        """Returns all kinds. Counting removes nothing."""
        found = [
            self._documents("inbox entries", self._inbox, self._of_the_inbox),
            self._documents("imported messages", self._collections.imported, lambda: _older("at", self._age)),
            Kind("dead letters", lambda: len(self._letters()), self._remove_letters, gives_up=True),
            self._documents("acts", self._collections.acts, lambda: _older("when", self._age)),
            Kind("idle leases", lambda: len(self._leases()), self._remove_leases),
        ]
        archive = self._archive
        if archive is not None:
            age = self._age
            found.append(Kind("archive chunks", lambda: len(archive.expired(age)), lambda: len(archive.expire(age))))
        return found

    def _documents(self, name: str, of: Collection[Document], query: Callable[[], Document | None]) -> Kind:
        @outside_bound_session
        def count() -> int:
            wanted = query()
            return 0 if wanted is None else _patient(lambda: of.count_documents(wanted))

        @outside_bound_session
        def remove() -> int:
            wanted = query()
            return 0 if wanted is None else sum(_removed(of, wanted))

        return Kind(name, count, remove)

    def _of_the_inbox(self) -> Document | None:
        """The server removes these by itself, unless somebody has turned that off; None for what is no inbox."""
        seconds = kept_seconds(_patient(self._inbox.index_information))
        return None if seconds is None else _older("at", timedelta(seconds=seconds))

    @outside_bound_session
    def _letters(self) -> list[Document]:
        """Those that are dead, that nobody has requeued, and behind which none of their key is parked."""
        group = {"_id": {"reader": "$reader", "key": "$key"}}
        keys: list[Document] = [{"$match": {"state": "parked"}}, {"$group": group}]
        dead = self._collections.dead
        parked = {_of_key(each["_id"]) for each in _patient(lambda: list(dead.aggregate(keys, allowDiskUse=True)))}
        query = {**_older("last", self._age), "state": "dead", **UNMARKED}
        found = _patient(lambda: list(dead.find(query, {"reader": 1, "key": 1})))
        return [each for each in found if _of_key(each) not in parked]

    def _remove_letters(self) -> int:
        """As `outbox dead APP discard` does: what is parked by then is released, in its order."""
        return sum(
            DeadLetterAdmin(self._collections, each["reader"]).discard(Selection(message_id(each)))
            for each in self._letters()
        )

    @outside_bound_session
    def _leases(self) -> list[Document]:
        """Those that nobody holds, of readers that have no cursor, and of replays that came to their end. What is to be
        taken later is taken under a higher fence all the same: the cursors and the log have it."""
        leases, cursors = self._collections.leases, self._collections.cursors
        idle = {"owner": None, "wanted": {"$exists": False}, "replay.done": {"$ne": False}}
        query = {**_older("renewed", self._age), **_OF_A_READER, **idle}
        found = _patient(lambda: list(leases.find(query, {"fence": 1, "beat": 1})))
        return [
            each
            for each in found
            if _patient(lambda id=each["_id"]: cursors.find_one(documents_of(reader_of(id)), {"_id": 1})) is None  # type: ignore[misc]  # bound
        ]

    @outside_bound_session
    def _remove_leases(self) -> int:
        removed = 0
        for each in self._leases():
            untouched = {"_id": each["_id"], "owner": None, "fence": each["fence"], "beat": each["beat"]}
            removed += _patient(lambda lease=untouched: self._collections.leases.delete_one(lease)).deleted_count  # type: ignore[misc]  # bound
        return removed


def _of_key(letter: Document) -> tuple[str, str]:
    """Says of which reader's key it is. Of what the log refused, a key may be anything."""
    return letter["reader"], repr(letter.get("key"))


def _older(field: str, age: timedelta) -> Document:
    """Finds what is older, by the server's clock."""
    before = {"$subtract": ["$$NOW", int(age.total_seconds() * 1000)]}
    return {field: {"$type": "date"}, "$expr": {"$lt": [f"${field}", before]}}


def _removed(of: Collection[Document], query: Document) -> Iterator[int]:
    """Removes documents some at a time, and gives how many each time."""
    while ids := _patient(lambda: [each["_id"] for each in of.find(query, {"_id": 1}, limit=_MANY)]):
        yield _patient(lambda ids=ids: of.delete_many({"_id": {"$in": ids}, **query})).deleted_count  # type: ignore[misc]  # bound


def _patient(call: Callable[[], Any]) -> Any:
    def limited() -> Any:
        with time_limit(_SECONDS):
            return call()

    return patiently(limited)

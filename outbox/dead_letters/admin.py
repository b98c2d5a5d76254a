"""What an operator does with dead letters: sends them again, or gives them up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

from bson import Int64, ObjectId, Timestamp
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError, WriteError

from outbox.dead_letters.document import SEQUENCER, State
from outbox.dead_letters.store import BY_AGE, MARK, UNMARKED
from outbox.mongo.calls import outside_bound_session, time_limit, transaction
from outbox.mongo.codec import RAW, Document, decoded
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import Tries, patient, patiently
from outbox.shares.layout import cursors_of, relay_id

_INVALID = 121  # DocumentValidationFailure
_MANY = 500
_SECONDS = 15.0
_STAGED = ("created", "type", "key", "headers", "data")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant: those that have all that is given; all of them when nothing is."""

    id: ObjectId | None = None
    key: str | None = None
    type: str | None = None

    def query(self) -> Document:
        wanted = {"_id": self.id, "key": self.key, "type": self.type}
        return {name: value for name, value in wanted.items() if value is not None}


class Requeued(NamedTuple):
    """What `DeadLetterOffice.requeue` came to."""

    letters: int
    """How many letters the relay will send, or were put into staging again."""
    refused: list[tuple[ObjectId, str]]
    """Messages of the sequencer's that cannot be put again, each with the reason."""


class DeadLetterAdmin:
    """The dead letters of relay `name`, and of the sequencer. Thread-safe; beside a running relay or without one.

    Every method raises pymongo's errors; whatever it raises, calling it again is safe.
    """

    def __init__(self, collections: Collections, name: str) -> None:
        self._collections = collections
        self._dead = collections.dead
        self._raw = collections.dead.with_options(codec_options=RAW)
        self._reader = relay_id(name)
        self._cursors = cursors_of(name)
        self._readers = {"reader": {"$in": [self._reader, SEQUENCER]}}

    @outside_bound_session
    def letters(self, selection: Selection) -> Iterator[Document]:
        """The letters of one log after the other, in order of seq (those that have none first), without their data."""
        query, order = {**self._readers, **selection.query()}, [("log", 1), ("seq", 1), ("_id", 1)]
        shown, tries = 0, Tries()
        while True:  # with a new cursor, if one is lost on the way
            try:
                with time_limit(_SECONDS):
                    for each in self._raw.find(query, {"data": 0}, sort=order, skip=shown, allow_disk_use=True):
                        shown += 1
                        yield decoded(bytes(each.raw))
                return
            except PyMongoError as error:
                tries.wait(error)

    @outside_bound_session
    @patient
    def letter(self, id: ObjectId) -> Document | None:
        """One whole letter."""
        with time_limit():
            found = self._raw.find_one({"_id": id, **self._readers})
        return None if found is None else decoded(bytes(found.raw))

    @outside_bound_session
    @patient
    def count(self, state: State) -> int:
        """How many letters are dead, or parked."""
        with time_limit(_SECONDS):
            return self._dead.count_documents({**self._readers, "state": state})

    @outside_bound_session
    def requeue(self, selection: Selection) -> Requeued:
        """Asks the relay to send letters again, with their own id and seq; it does so when it next looks, or starts.

        A parked key goes as a whole, in its order, whichever of its letters are selected. A letter stays until its
        message is delivered. The sequencer's go back to staging, if its validator accepts them by now.
        """
        own = {**selection.query(), "reader": self._reader}
        marked = 0
        for keys in self._parked_keys(own):
            # The dead first: as soon as one that is parked is marked, the relay takes all of its key for released.
            for state in ("dead", "parked"):
                marked += self._mark({"reader": self._reader, "key": {"$in": keys}, "state": state})
        marked += self._mark(own)
        buried = self._buried({**own, "reader": SEQUENCER})
        refused = [(id, reason) for id in buried if (reason := self._stage(id)) is not None]
        return Requeued(marked + len(buried) - len(refused), refused)

    @patient
    def _buried(self, query: Document) -> list[ObjectId]:
        with time_limit(_SECONDS):
            return [each["_id"] for each in self._dead.find(query, {"_id": 1})]

    @patient
    def _mark(self, query: Document) -> int:
        with time_limit(_SECONDS):
            return self._dead.update_many({**query, **UNMARKED}, MARK).modified_count

    def _parked_keys(self, own: Document) -> Iterator[list[str]]:
        """Of the selected letters' keys those that are parked, some at a time."""
        keys = self._keys(own)
        for start in range(0, len(keys), _MANY):
            yield self._parked(keys[start : start + _MANY])

    @patient
    def _keys(self, own: Document) -> list[str]:
        with time_limit(_SECONDS):
            found = self._dead.aggregate(
                [{"$match": {"key": {"$ne": None}, **own}}, {"$group": {"_id": "$key"}}], allowDiskUse=True
            )
            return [each["_id"] for each in found]

    @patient
    def _parked(self, keys: list[str]) -> list[str]:
        with time_limit(_SECONDS):
            return self._dead.distinct("key", {"reader": self._reader, "key": {"$in": keys}, "state": "parked"})

    def _stage(self, id: ObjectId) -> str | None:
        """Puts a message of the sequencer's again, under its own id; why not, if it cannot be. All or nothing."""

        def work(session: ClientSession) -> str | None:
            found = self._raw.find_one_and_delete({"_id": id, "reader": SEQUENCER}, session=session)
            if found is None:  # somebody else was first
                return None
            letter = decoded(bytes(found.raw))
            if letter["error"]["code"] != _INVALID:
                session.abort_transaction()
                return f"the log cannot hold it, whatever is done: {letter['error']['reason']}"
            staged = {"_id": id, "at": Timestamp(0, 0), **{name: letter[name] for name in _STAGED}}
            self._collections.staging.insert_one(staged, session=session)
            return None

        try:
            return patiently(lambda: transaction(self._collections.client, work))
        except WriteError as error:
            if error.code != _INVALID:
                raise
            return "staging's validator still refuses it"  # the server's own words hold the message's values

    @outside_bound_session
    def discard(self, selection: Selection) -> int:
        """Deletes letters for good, and says how many. A parked key that loses its dead letter is released: what is
        parked behind is sent, in order."""
        discarded, tries = 0, Tries()
        while True:  # with a new cursor, if one is lost on the way
            try:
                for letters in self._from_behind({**self._readers, **selection.query()}):
                    discarded += transaction(self._collections.client, partial(self._discard, letters))
                    tries.begin()
                return discarded
            except PyMongoError as error:
                tries.wait(error)

    def _from_behind(self, query: Document) -> Iterator[list[Document]]:
        """Some at a time. So what is to be discarded of a parked key is gone before the key is released."""
        order = [(name, -1) for name, _ in BY_AGE]
        found = self._raw.find(query, {"key": 1}, sort=order, allow_disk_use=True)
        while True:
            with time_limit(_SECONDS):
                letters = [decoded(bytes(each.raw)) for each in islice(found, _MANY)]
            if not letters:
                return
            yield letters

    def _discard(self, letters: list[Document], session: ClientSession) -> int:
        # As a relay does before it parks: of the two, the one that commits later has to look again.
        self._collections.cursors.update_many(self._cursors, {"$inc": {"letters": Int64(1)}}, session=session)
        ids = [each["_id"] for each in letters]
        gone = self._dead.delete_many({"_id": {"$in": ids}, **self._readers}, session=session).deleted_count
        own = {"reader": self._reader}
        keys = list({each["key"] for each in letters if isinstance(each["key"], str)})  # others only the log refused
        parked = self._dead.distinct("key", {**own, "key": {"$in": keys}, "state": "parked"}, session=session)
        held = self._dead.distinct("key", {**own, "key": {"$in": parked}, "state": "dead"}, session=session)
        for key in set(parked) - set(held):
            # One mark is enough, for the relay takes it for its whole key; a million may be behind.
            self._dead.update_one({**own, "key": key, "state": "parked"}, MARK, session=session)
        return gone

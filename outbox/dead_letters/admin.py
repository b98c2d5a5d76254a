"""Does what an operator asks for with dead letters: lists them, has them sent again, or deletes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

from bson import Int64, ObjectId, Timestamp
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError, WriteError

from outbox.dead_letters.document import SEQUENCER, State, letter_id
from outbox.dead_letters.store import BY_AGE, MARK, UNMARKED
from outbox.errors import InvalidSelector
from outbox.mongo.calls import outside_bound_session, time_limit, transaction
from outbox.mongo.codec import RAW, Document, decoded
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import Tries, patient, patiently
from outbox.shares.layout import cursors_of

_INVALID = 121  # DocumentValidationFailure
_MANY = 500
_SECONDS = 15.0
_STAGED = ("created", "type", "key", "headers", "data")


def is_unicode(text: str | None) -> bool:
    """Tells whether MongoDB can have a text: one from a command line or from JSON may hold half of a character."""
    return not any("\ud800" <= each <= "\udfff" for each in text or "")


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects the letters that match all that is given; every letter when nothing is.

    Raises InvalidSelector for a key or a type that no message can have.
    """

    id: ObjectId | None = None
    key: str | None = None
    type: str | None = None
    ids: tuple[ObjectId, ...] = ()
    """Several of them; none for any."""

    def __post_init__(self) -> None:
        for name, value in (("key", self.key), ("type", self.type)):
            if not is_unicode(value):
                raise InvalidSelector(f"{name}: give a text of Unicode, not {value!r:.100}")

    def asked(self) -> Document:
        """Returns what was asked for, for people; empty when it is every letter."""
        asked = {"id": self.id, "key": self.key, "type": self.type}
        ids = {"ids": [str(id) for id in self.ids]} if self.ids else {}
        return {**{name: str(value) for name, value in asked.items() if value is not None}, **ids}

    def query(self, reader: str) -> Document:
        wanted: Document = {"key": self.key, "type": self.type}
        ids = self.ids if self.id is None else (self.id, *self.ids)
        if ids:
            wanted["_id"] = {"$in": [*ids, *(letter_id(reader, id) for id in ids)]}
        return {name: value for name, value in wanted.items() if value is not None}


class Requeued(NamedTuple):
    """The result of `DeadLetterAdmin.requeue`."""

    letters: int
    """How many letters the reader will handle, and how many were put into staging again, together."""
    refused: list[tuple[ObjectId, str]]
    """Messages that the log refused and that cannot be put again, each with the reason."""

    @property
    def told(self) -> list[str]:
        """Those messages and reasons as text: the first hundred."""
        return [f"{id}: {why}" for id, why in self.refused[:100]]


class DeadLetterAdmin:
    """Shows and changes the dead letters of a durable reader, by its id, and of the sequencer. Thread-safe.

    It works beside a running reader or without one. Every method raises pymongo's errors; calling it again is safe.
    """

    def __init__(self, collections: Collections, reader: str) -> None:
        self._collections = collections
        self._dead = collections.dead
        self._raw = collections.dead.with_options(codec_options=RAW)
        self._reader = reader
        self._cursors = cursors_of(self._reader)
        self._readers = {"reader": {"$in": [self._reader, SEQUENCER]}}

    @outside_bound_session
    def letters(self, selection: Selection) -> Iterator[Document]:
        """Yields the letters without their data: log after log, in order of seq, those without a seq first."""
        query, order = {**self._readers, **selection.query(self._reader)}, [("log", 1), ("seq", 1), ("_id", 1)]
        shown, tries = 0, Tries()
        while True:  # with a new cursor, if one is lost on the way
            try:
                with time_limit(_SECONDS):
                    for letter in self._raw.find(query, {"data": 0}, sort=order, skip=shown, allow_disk_use=True):
                        shown += 1
                        yield decoded(bytes(letter.raw))
                return
            except PyMongoError as error:
                tries.wait(error)

    @outside_bound_session
    @patient
    def letter(self, id: ObjectId) -> Document | None:
        """Returns one whole letter; None when there is none of this id."""
        with time_limit():
            letter = self._raw.find_one({**Selection(id).query(self._reader), **self._readers})
        return None if letter is None else decoded(bytes(letter.raw))

    @outside_bound_session
    @patient
    def count(self, state: State) -> int:
        """Counts the letters in this state."""
        with time_limit(_SECONDS):
            return self._dead.count_documents({**self._readers, "state": state})

    @outside_bound_session
    def requeue(self, selection: Selection) -> Requeued:
        """Asks the reader to handle letters again, with their own id and seq: at its next look, or when it starts.

        A parked key is sent as a whole, in its order, whichever of its letters are selected. A letter stays until its
        message is delivered. Letters of the sequencer go back to staging, if staging's validator accepts them now.
        """
        own = {**selection.query(self._reader), "reader": self._reader}
        marked = 0
        for keys in self._parked_keys(own):
            # The dead ones first: once a parked one is marked, the reader takes its whole key for released.
            for state in ("dead", "parked"):
                marked += self._mark({"reader": self._reader, "key": {"$in": keys}, "state": state})
        marked += self._mark(own)
        unlogged = self._ids({**own, "reader": SEQUENCER})
        refused = [(id, reason) for id in unlogged if (reason := self._stage(id)) is not None]
        return Requeued(marked + len(unlogged) - len(refused), refused)

    @patient
    def _ids(self, query: Document) -> list[ObjectId]:
        with time_limit(_SECONDS):
            return [letter["_id"] for letter in self._dead.find(query, {"_id": 1})]

    @patient
    def _mark(self, query: Document) -> int:
        with time_limit(_SECONDS):
            return self._dead.update_many({**query, **UNMARKED}, MARK).modified_count

    def _parked_keys(self, own: Document) -> Iterator[list[str]]:
        """Yields those keys of the selected letters that are parked, some at a time."""
        keys = self._keys(own)
        for start in range(0, len(keys), _MANY):
            yield self._parked(keys[start : start + _MANY])

    @patient
    def _keys(self, own: Document) -> list[str]:
        with time_limit(_SECONDS):
            groups = self._dead.aggregate(
                [{"$match": {"key": {"$ne": None}, **own}}, {"$group": {"_id": "$key"}}], allowDiskUse=True
            )
            return [group["_id"] for group in groups]

    @patient
    def _parked(self, keys: list[str]) -> list[str]:
        with time_limit(_SECONDS):
            return self._dead.distinct("key", {"reader": self._reader, "key": {"$in": keys}, "state": "parked"})

    def _stage(self, id: ObjectId) -> str | None:
        """Puts a message that the log refused into staging again, under its own id. Returns why if it cannot be."""

        def work(session: ClientSession) -> str | None:
            deleted = self._raw.find_one_and_delete({"_id": id, "reader": SEQUENCER}, session=session)
            if deleted is None:  # another command was first
                return None
            letter = decoded(bytes(deleted.raw))
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
        """Deletes letters for good, and returns how many.

        A key that loses its last dead letter is released: what is parked behind it is sent, in order.
        """
        discarded, tries = 0, Tries()
        while True:  # with a new cursor, if one is lost on the way
            try:
                for letters in self._from_behind({**self._readers, **selection.query(self._reader)}):
                    discarded += transaction(self._collections.client, partial(self._discard, letters))
                    tries.begin()
                return discarded
            except PyMongoError as error:
                tries.wait(error)

    def _from_behind(self, query: Document) -> Iterator[list[Document]]:
        """Yields the letters some at a time, newest first: so those of a parked key are gone before it is released."""
        order = [(name, -1) for name, _ in BY_AGE]
        cursor = self._raw.find(query, {"key": 1}, sort=order, allow_disk_use=True)
        while True:
            with time_limit(_SECONDS):
                letters = [decoded(bytes(letter.raw)) for letter in islice(cursor, _MANY)]
            if not letters:
                return
            yield letters

    def _discard(self, letters: list[Document], session: ClientSession) -> int:
        # As a reader does before it parks a message: so of the two, the one that commits later has to look again.
        self._collections.cursors.update_many(self._cursors, {"$inc": {"letters": Int64(1)}}, session=session)
        ids = [letter["_id"] for letter in letters]
        gone = self._dead.delete_many({"_id": {"$in": ids}, **self._readers}, session=session).deleted_count
        own = {"reader": self._reader}
        # A key that is no text is only in letters of what the log refused, and parks nothing.
        keys = list({letter["key"] for letter in letters if isinstance(letter["key"], str)})
        parked = self._dead.distinct("key", {**own, "key": {"$in": keys}, "state": "parked"}, session=session)
        held = self._dead.distinct("key", {**own, "key": {"$in": parked}, "state": "dead"}, session=session)
        for key in set(parked) - set(held):
            # One mark stands for the whole key: a million letters may be parked behind it.
            self._dead.update_one({**own, "key": key, "state": "parked"}, MARK, session=session)
        return gone

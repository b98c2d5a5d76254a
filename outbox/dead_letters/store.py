"""Stores the messages that a durable reader puts aside, in `NAME.dead`, and knows which keys wait behind them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, TypeVar

from bson import Int64, ObjectId
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

from outbox.dead_letters import document
from outbox.dead_letters.policy import OnPoison
from outbox.errors import LetterTaken, PoisonMessage
from outbox.log.cursor_document import whole as whole_number
from outbox.log.cursors import CursorStore
from outbox.log.log import Log
from outbox.log.reader_id import letters_command
from outbox.log.record import Record
from outbox.mongo.calls import Write, outside_bound_session, time_limit, transaction
from outbox.mongo.codec import RAW, Document, decoded
from outbox.mongo.collections import HIGHEST_SEQ, Collections
from outbox.shares.share import ALL, Share

T = TypeVar("T")

BATCH = 500
"""How many requeued letters are sent at a time; fewer when they take more than 16 MiB."""
_SECONDS = 15.0
REQUEUED: Document = {"requeued": {"$exists": True}}
UNMARKED: Document = {"requeued": {"$exists": False}}
MARK: list[Document] = [{"$set": {"requeued": "$$NOW"}}]
"""Marks a letter that an operator wants to have sent; this field stands beside those of the contract."""

BY_AGE = [("created", 1), ("first", 1), ("seq", 1)]
"""The order of letters that may be of several logs, whose seqs cannot be compared."""


class Letters(NamedTuple):
    """Holds some letters of one log, in order of seq, no two with the same seq."""

    log: str
    records: Sequence[Record[Any]]


class DeadLetterStore:
    """Keeps what one reader, or one share of it, puts aside while it holds its lease under `fence`.

    Not thread-safe. Every method raises pymongo's errors.

    Which keys are parked is asked of the collection for each chunk. So nothing is remembered that a crash could lose,
    that an operator's command could make wrong, or that could outgrow the memory. Only the holder of the lease adds
    letters of its keys, so "there are none" may be remembered until it adds one.
    """

    def __init__(
        self, collections: Collections, cursors: CursorStore, fence: int, on_poison: OnPoison, share: Share = ALL
    ) -> None:
        self._client = collections.client
        self._dead = collections.dead
        # A primary that was just elected may not know for a moment what is committed, and would then show no letters.
        self._surely = collections.dead.with_options(read_concern=ReadConcern("linearizable"))
        self._cursors = cursors
        self._fence = fence
        self._reader = cursors.group
        self._own = document.letters_of_share(self._reader, share)
        # A key that was parked stays so under any policy. Under `park-key`, a dead letter alone parks its key too.
        self._parking = self._own if on_poison == "park-key" else {**self._own, "state": "parked"}
        self._some = True  # until a look says otherwise
        self.log: str | None = None
        """The log that the records come from, as outbox.log.log.identity names it."""

    @outside_bound_session
    def add(self, record: Record[Any], poison: PoisonMessage) -> None:
        """Puts a poison message aside and moves the cursor past it: both or neither, so a crash loses nothing.

        Raises LeaseLost when another process has taken over, and LetterTaken.
        """

        def work(session: ClientSession) -> None:
            if not self._refused_again(record.id, poison, session):
                self._add([document.dead(record, self.log, self._reader, poison)], session)
            self._cursors.save((record.seq, record.created, record.id), self._fence, session)

        self._some = True
        self._fenced(work)

    @property
    def is_idle(self) -> bool:
        """Tells whether it is certain that there are no letters, and so no parked key."""
        return not self._some

    @outside_bound_session
    def park(self, records: Sequence[Record[Any]]) -> Collection[int]:
        """Puts aside the records whose key is parked, and returns their seqs. Doing it twice changes nothing.

        Raises LeaseLost when another process has taken over, and LetterTaken.
        """
        if not self._some:
            return ()
        keys = list({record.key for record in records if record.key is not None})
        if not self._parked(keys, None):
            return ()

        def work(session: ClientSession) -> Collection[int]:
            parked = self._parked(keys, session)  # an operator may have released some meanwhile
            behind = [record for record in records if record.key in parked]
            self._add([document.parked(record, self.log, self._reader) for record in behind], session)
            return frozenset(record.seq for record in behind)

        return self._fenced(work)

    def _parked(self, keys: Sequence[str], session: ClientSession | None) -> set[str]:
        dead = self._surely if session is None else self._dead
        with time_limit():
            return set(dead.distinct("key", {**self._parking, "key": {"$in": keys}}, session=session))

    def _add(self, letters: Sequence[Document], session: ClientSession) -> None:
        ids = [letter["_id"] for letter in letters]
        stored = self._dead.find({"_id": {"$in": ids}}, {"reader": 1}, session=session)
        known = {document.message_id(letter): letter.get("reader") for letter in stored}
        for id, reader in known.items():
            if reader != self._reader:
                raise LetterTaken(
                    f"message {id} cannot be put aside for {self._reader!r}: {self._dead.full_name} has it for "
                    f"{reader!r}. Requeue or discard it there first: {letters_command(str(reader), 'requeue', id)}"
                )
        new = [letter for letter in letters if document.message_id(letter) not in known]
        if new:
            self._dead.insert_many(new, session=session)

    def _refused_again(self, id: ObjectId, poison: PoisonMessage, session: ClientSession | None) -> bool:
        """Notes one more failed attempt in the letter; False when there is no such letter."""
        change: list[Document] = [
            {
                "$set": {
                    "state": "dead",
                    "error": {"$literal": document.error(poison)},
                    "attempts": {"$add": ["$attempts", 1]},
                    "last": "$$NOW",
                }
            },
            {"$unset": "requeued"},
        ]
        letter = {"_id": document.letter_id(self._reader, id), **self._own}
        return self._dead.update_one(letter, change, session=session).matched_count > 0

    def _fenced(self, work: Callable[[ClientSession], T]) -> T:
        """Does `work` in a transaction that also writes the cursor.

        So no process of an older fence can commit it. And when an operator's command decides by the same letters, the
        one that commits later has to look again.
        """

        def fenced(session: ClientSession) -> T:
            self._cursors.conflict_with_others(self._fence, session)
            return work(session)

        return transaction(self._client, fenced)

    @outside_bound_session
    def requeued(self) -> bool:
        """Tells whether an operator wants letters sent."""
        if not self._some:
            return False
        with time_limit():
            if self._surely.find_one(self._own, {"_id": 1}) is None:
                self._some = False
                return False
            return self._dead.find_one({**self._own, **REQUEUED}, {"_id": 1}) is not None

    @outside_bound_session
    def count_between(self, after: int, last: int) -> int:
        """Counts the letters whose messages have a seq above `after`, up to `last`, in this log."""
        if not self._some:
            return 0
        with time_limit():
            between = {"$gt": Int64(after), "$lte": Int64(last)}
            return self._dead.count_documents({**self._own, "log": {"$in": [self.log, None]}, "seq": between})

    @outside_bound_session
    def any_after(self, seq: int, log: Log) -> bool:
        """Tells whether there are letters of this log with a seq above `seq`; those of another log may have any seq.

        Messages that were parked just before a crash have such a seq: the cursor was not saved after them.
        """
        identity = log.identity()
        wanted = {**self._own, "seq": {"$gt": Int64(seq)}, "log": {"$in": [identity, None]}}
        with time_limit(_SECONDS):
            letters = self._dead.find(wanted, {"seq": 1, "log": 1})
            valid = (letter for letter in letters if whole_number(letter["seq"], 1, HIGHEST_SEQ))
            return any(_log_of(letter, log, identity) == identity for letter in valid)

    @outside_bound_session
    def next_requeued(self, log: Log) -> Letters | None:
        """Reads the requeued letters that come next, of a parked key all or none; None if there are none.

        All of them are of one log, so that no two have the same seq: those of earlier logs come first, one log after
        the other, each in order of seq. Letters that were parked after the operator's command go with their key, and
        are requeued here. Call it while nothing is being parked. Raises LetterCorrupt.
        """
        identity = log.identity()
        whole: set[str] = set()
        while True:
            with time_limit(_SECONDS):
                query, order = self._next(identity)
                raw = self._dead.with_options(codec_options=RAW).find(
                    query, sort=order, limit=-BATCH, allow_disk_use=True
                )
                letters = _of_one_log([decoded(bytes(letter.raw)) for letter in raw], log, identity)
                records = () if letters is None else letters.records
                keys = {record.key for record in records if record.key is not None}
                if keys <= whole:
                    return letters
                self._dead.update_many(
                    {**self._own, "key": {"$in": list(keys)}, "state": "parked", **UNMARKED},
                    MARK,
                )
            whole = keys

    def _next(self, identity: str) -> tuple[Document, list[tuple[str, int]]]:
        """Makes the query and order for the letters of the oldest log; for those that do not say their log, by age."""
        requeued = {**self._own, **REQUEUED}
        oldest = self._dead.find_one(
            {**requeued, "log": {"$ne": identity}}, {"log": 1}, sort=BY_AGE, allow_disk_use=True
        )
        of = identity if oldest is None else oldest.get("log")
        return {**requeued, "log": of}, BY_AGE if of is None else [("seq", 1)]

    @outside_bound_session
    def remove(self, ids: Sequence[ObjectId], session: ClientSession | None = None) -> None:
        """Removes letters whose messages have been delivered after all, by the messages' ids."""
        if ids:
            with time_limit():
                self._dead.delete_many({"_id": {"$in": self._letter_ids(ids)}, **self._own}, session=session)

    def removal(self, ids: Sequence[ObjectId]) -> Write:
        """Describes `remove` in a transaction."""
        return Write(self._dead, {"_id": {"$in": self._letter_ids(ids)}, **self._own}, None)

    @outside_bound_session
    def there(self, ids: Sequence[ObjectId]) -> set[ObjectId]:
        """Returns those of the messages' ids that there is a letter of."""
        with time_limit():
            found = self._dead.find({"_id": {"$in": self._letter_ids(ids)}, **self._own}, {"_id": 1})
            return {document.message_id(letter) for letter in found}

    def _letter_ids(self, ids: Sequence[ObjectId]) -> list[Any]:
        return [document.letter_id(self._reader, id) for id in ids]

    @outside_bound_session
    def put_back(self, record: Record[Any], poison: PoisonMessage) -> None:
        """Takes back from sending a requeued letter that was refused again, and what is parked behind it."""
        behind = {**self._own, "key": record.key, "state": "parked"}
        with time_limit(_SECONDS):
            # The parked ones first: after a crash in between, the mark of the dead one still stands for the whole key.
            if record.key is not None:
                self._dead.update_many({**behind, **REQUEUED}, {"$unset": {"requeued": 1}})
            if not self._refused_again(record.id, poison, None) and record.key is not None:
                self._dead.update_many(behind, MARK)  # the dead letter was discarded meanwhile


def _of_one_log(letters: Sequence[Document], log: Log, identity: str) -> Letters | None:
    """Takes letters from the first on, as long as they are of the same log and in its order."""
    chosen: list[Record[Any]] = []
    first_log = ""
    for letter in letters:
        record, of = document.record(letter), _log_of(letter, log, identity)
        if chosen and (of != first_log or record.seq <= chosen[-1].seq):
            break
        first_log = of
        chosen.append(record)
    return Letters(first_log, chosen) if chosen else None


def _log_of(letter: Document, log: Log, identity: str) -> str:
    """Names the log of a letter. An old letter does not say: it is of this log if the log has its message."""
    of = letter.get("log")
    if of is not None:
        return str(of)
    record = log.record_at(int(letter["seq"]))
    is_here = record is not None and record.id == document.message_id(letter)
    return identity if is_here else f"{identity.rpartition('/')[0]}/{document.UNKNOWN_LOG}"

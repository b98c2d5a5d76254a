"""A relay's dead letters: the messages it has put aside, in `NAME.dead`, and the keys that wait behind them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

from bson import Int64, ObjectId
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

from outbox.dead_letters import document
from outbox.errors import LetterTaken, PoisonMessage
from outbox.log.cursor_document import whole as whole_number
from outbox.log.cursors import CursorStore
from outbox.log.log import Log
from outbox.log.record import Record
from outbox.mongo.calls import outside_bound_session, time_limit, transaction
from outbox.mongo.codec import RAW, Document, decoded
from outbox.mongo.collections import HIGHEST_SEQ, Collections
from outbox.shares.share import ALL, Share

T = TypeVar("T")

OnPoison = Literal["stop", "dead-letter", "park-key"]
"""What a relay does with a message that can never be delivered; see docs/poison.md."""

BATCH = 500
"""Released letters that are sent at a time; fewer when they take more than 16 MiB."""
_SECONDS = 15.0
REQUEUED: Document = {"requeued": {"$exists": True}}
UNMARKED: Document = {"requeued": {"$exists": False}}
MARK: list[Document] = [{"$set": {"requeued": "$$NOW"}}]
"""How an operator's wish to have a letter sent stands in it, beside the fields of the contract."""


BY_AGE = [("created", 1), ("first", 1), ("seq", 1)]
"""Their order, where it must be told without knowing of which log each is."""


class Letters(NamedTuple):
    """Some letters of one log, in order of seq, each of another one."""

    log: str
    records: Sequence[Record[Any]]


class DeadLetterStore:
    """What one relay puts aside, or one share of it, while it holds its lease under `fence`. Not thread-safe. Raises
    pymongo's errors.

    The collection is the only truth: which keys are parked is asked of it for each chunk, so nothing is remembered
    that a crash could lose, that an operator's command could make wrong, or that could outgrow the memory. Only the
    relay adds letters of its keys, one at a time by its lease, so "there are none" is safe to remember until it adds
    one.
    """

    def __init__(
        self, collections: Collections, cursors: CursorStore, fence: int, on_poison: OnPoison, share: Share = ALL
    ) -> None:
        self._client = collections.client
        self._dead = collections.dead
        # A primary that was just elected may not know for a moment what is committed, and would show no letters.
        self._surely = collections.dead.with_options(read_concern=ReadConcern("linearizable"))
        self._cursors = cursors
        self._fence = fence
        self._reader = cursors.group
        self._own = document.letters_of_share(self._reader, share)
        # A key that was parked stays so under any policy. Under `park-key`, a dead letter alone parks its key too.
        self._parking = self._own if on_poison == "park-key" else {**self._own, "state": "parked"}
        self._some = True  # until a look says otherwise
        self.log: str | None = None
        """Which log the records are of that are put aside, as outbox.log.log.identity has it."""

    @outside_bound_session
    def add(self, record: Record[Any], poison: PoisonMessage) -> None:
        """Keeps a poison message and moves the cursor behind it, both or neither, so a crash loses nothing.

        Raises LeaseLost when another relay has worked since, LetterTaken.
        """

        def work(session: ClientSession) -> None:
            if not self._refused_again(record.id, poison, session):
                self._add([document.dead(record, self.log, self._reader, poison)], session)
            self._cursors.save((record.seq, record.created, record.id), self._fence, session)

        self._some = True
        self._fenced(work)

    @property
    def is_idle(self) -> bool:
        """Whether it is certain that there are none, and so no key is parked."""
        return not self._some

    @outside_bound_session
    def park(self, records: Sequence[Record[Any]]) -> Collection[int]:
        """Keeps those of the records whose key is parked, and returns their seqs. Again with the same: no change.

        Raises LeaseLost when another relay has worked since, LetterTaken.
        """
        if not self._some:
            return ()
        keys = list({record.key for record in records if record.key is not None})
        if not self._parked(keys, None):
            return ()

        def work(session: ClientSession) -> Collection[int]:
            parked = self._parked(keys, session)  # an operator may have released some since
            behind = [record for record in records if record.key in parked]
            self._add([document.parked(record, self.log, self._reader) for record in behind], session)
            return frozenset(record.seq for record in behind)

        return self._fenced(work)

    def _parked(self, keys: Sequence[str], session: ClientSession | None) -> set[str]:
        dead = self._surely if session is None else self._dead
        with time_limit():
            return set(dead.distinct("key", {**self._parking, "key": {"$in": keys}}, session=session))

    def _add(self, letters: Sequence[Document], session: ClientSession) -> None:
        ids = [each["_id"] for each in letters]
        found = self._dead.find({"_id": {"$in": ids}}, {"reader": 1}, session=session)
        known = {each["_id"]: each.get("reader") for each in found}
        for id, reader in known.items():
            if reader != self._reader:
                raise LetterTaken(
                    f"message {id} cannot be put aside for {self._reader!r}: {self._dead.full_name} has it for "
                    f"{reader!r}. Requeue or discard it there first: relay dead requeue {id}"
                )
        new = [each for each in letters if each["_id"] not in known]
        if new:
            self._dead.insert_many(new, session=session)

    def _refused_again(self, id: ObjectId, poison: PoisonMessage, session: ClientSession | None) -> bool:
        """Notes one more failed attempt of a letter; False when there is none."""
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
        return self._dead.update_one({"_id": id, **self._own}, change, session=session).matched_count > 0

    def _fenced(self, work: Callable[[ClientSession], T]) -> T:
        """A transaction that also writes the cursor: no relay of an older fence can commit one, and of two that decide
        by the same letters, this one and an operator's, the later one has to look again."""

        def fenced(session: ClientSession) -> T:
            self._cursors.conflict_with_others(self._fence, session)
            return work(session)

        return transaction(self._client, fenced)

    @outside_bound_session
    def requeued(self) -> bool:
        """Whether an operator wants some of them sent."""
        if not self._some:
            return False
        with time_limit():
            if self._surely.find_one(self._own, {"_id": 1}) is None:
                self._some = False
                return False
            return self._dead.find_one({**self._own, **REQUEUED}, {"_id": 1}) is not None

    @outside_bound_session
    def count_between(self, after: int, last: int) -> int:
        """How many of the log's messages with a seq above `after`, up to `last`, are among them."""
        if not self._some:
            return 0
        with time_limit():
            between = {"$gt": Int64(after), "$lte": Int64(last)}
            return self._dead.count_documents({**self._own, "log": {"$in": [self.log, None]}, "seq": between})

    @outside_bound_session
    def any_after(self, seq: int, log: Log) -> bool:
        """Whether some are of messages of this log behind `seq`, as those parked just before a crash are behind the
        cursor. Those of another log may have any seq."""
        identity = log.identity()
        wanted = {**self._own, "seq": {"$gt": Int64(seq)}, "log": {"$in": [identity, None]}}
        with time_limit(_SECONDS):
            found = self._dead.find(wanted, {"seq": 1, "log": 1})
            its = (each for each in found if whole_number(each["seq"], 1, HIGHEST_SEQ))  # `released` tells of others
            return any(_log_of(each, log, identity) == identity for each in its)

    @outside_bound_session
    def next_requeued(self, log: Log) -> Letters | None:
        """The requeued ones that come next, a parked key's all or none; None if there are none. Call it while none is
        parked. Raises LetterCorrupt.

        Those of logs that were before this one come first, one log after the other, each in order of seq; and no more
        than are of one log: so a seq stands for one of them. What was parked between an operator's command and now
        belongs to its key, and is requeued here.
        """
        identity = log.identity()
        whole: set[str] = set()
        while True:
            with time_limit(_SECONDS):
                query, order = self._next(identity)
                raw = self._dead.with_options(codec_options=RAW).find(
                    query, sort=order, limit=-BATCH, allow_disk_use=True
                )
                found = _of_one_log([decoded(bytes(each.raw)) for each in raw], log, identity)
                keys = set() if found is None else {record.key for record in found.records if record.key is not None}
                if keys <= whole:
                    return found
                self._dead.update_many(
                    {**self._own, "key": {"$in": list(keys)}, "state": "parked", **UNMARKED},
                    MARK,
                )
            whole = keys

    def _next(self, identity: str) -> tuple[Document, list[tuple[str, int]]]:
        """Finds the letters of the oldest log; those that do not say of which they are, by age: they may be of any."""
        requeued = {**self._own, **REQUEUED}
        oldest = self._dead.find_one(
            {**requeued, "log": {"$ne": identity}}, {"log": 1}, sort=BY_AGE, allow_disk_use=True
        )
        of = identity if oldest is None else oldest.get("log")
        return {**requeued, "log": of}, BY_AGE if of is None else [("seq", 1)]

    @outside_bound_session
    def remove(self, ids: Sequence[ObjectId]) -> None:
        """Removes letters whose messages have been delivered after all."""
        if ids:
            with time_limit():
                self._dead.delete_many({"_id": {"$in": ids}, **self._own})

    @outside_bound_session
    def put_back(self, record: Record[Any], poison: PoisonMessage) -> None:
        """Keeps a requeued letter that was refused once more, and what is parked behind it."""
        behind = {**self._own, "key": record.key, "state": "parked"}
        with time_limit(_SECONDS):
            # The ones behind first: after a crash in between, the dead one's mark still speaks for the whole key.
            if record.key is not None:
                self._dead.update_many({**behind, **REQUEUED}, {"$unset": {"requeued": 1}})
            if not self._refused_again(record.id, poison, None) and record.key is not None:
                self._dead.update_many(behind, MARK)  # it was discarded meanwhile


def _of_one_log(found: Sequence[Document], log: Log, identity: str) -> Letters | None:
    """As many from the first on as are of the same log, in its order."""
    chosen: list[Record[Any]] = []
    its = ""
    for each in found:
        record, of = document.record(each), _log_of(each, log, identity)
        if chosen and (of != its or record.seq <= chosen[-1].seq):
            break
        its = of
        chosen.append(record)
    return Letters(its, chosen) if chosen else None


def _log_of(found: Document, log: Log, identity: str) -> str:
    """Which log a letter is of. One from before letters said so is of this log if it has that message."""
    of = found.get("log")
    if of is not None:
        return str(of)
    record = log.record_at(int(found["seq"]))
    is_here = record is not None and record.id == found["_id"]
    return identity if is_here else f"{identity.rpartition('/')[0]}/{document.UNKNOWN_LOG}"

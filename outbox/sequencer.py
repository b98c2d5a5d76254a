"""The sequencer: numbers what staging holds and appends it to the log. One at a time, fenced by the server."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pymongo.errors
from bson import ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument

from outbox import batch, staging
from outbox.clock import Clock
from outbox.collections import RAW, Collections, apart, call
from outbox.errors import LeaseLost, OutboxError, OutboxNotCreated
from outbox.fence import raise_fence
from outbox.lease import Lease
from outbox.log import Log
from outbox.retention import Hold, Retention
from outbox.staging import Staged

logger = logging.getLogger("outbox")

SWEEP_RECORDS = 10_000
SWEEP_BYTES = 16 << 20
_WORTH_HALVING = 1000
DELETE_SECONDS = 15.0  # 10,000 deletes take 0.3 s on three nodes that share two cores; a slow disk may need far more
_FENCED = 121  # DocumentValidationFailure
_DUPLICATE = 11000
# What the log says of a document it will never take, whoever sends it and however often: deeper than 180 levels
# (15, Overflow), or larger than 16 MiB (2, BadValue; 10334, BSONObjectTooLarge).
_REFUSED = frozenset({2, 15, 10334})


class Swept(NamedTuple):
    """What one sweep did."""

    messages: int
    """How many left staging, for the log or for the dead letters; 0 means staging was empty at `time`."""
    time: Timestamp
    """The server's time of the snapshot that was swept."""
    hold: Hold | None = None
    """Why not all of staging was taken: a durable reader would have lost what it has not read yet."""


class Doubt(OutboxError):
    """The sequencer no longer knows what the log holds: it must take over again, if only from itself."""


class Sequencer:
    """Moves messages from staging to the log, in the order of the server's stamps. Passive, not thread-safe.

    Call `take_over()` until it is True, then `sweep()` again and again. Whatever `sweep` raises, call `take_over()`
    before the next sweep: there is one way back from every error and every doubt.
    """

    def __init__(self, collections: Collections, lease: Lease | None = None, clock: Clock | None = None) -> None:
        self._collections = collections
        self._log = Log(collections)
        self._lease = Lease(collections.leases, "sequencer", clock=clock) if lease is None else lease
        self._next = 0
        self._floor = 0  # the newest record's `created`, in ms
        self._cap = 0
        self._window: frozenset[bytes] = frozenset()
        self._suspects: set[bytes] = set()
        self._retention = Retention(collections)
        self._held_bytes = 0
        self._swept = Timestamp(0, 0)

    @property
    def fence(self) -> int:
        return self._lease.fence

    @property
    def next(self) -> int:
        """The seq of the next message, after a successful `take_over()`."""
        return self._next

    @apart
    def take_over(self) -> bool:
        """Takes the lease, fences the log, and finishes what the last holder left. False when another process works.

        Raises pymongo's errors, LeaseLost, OutboxNotCreated; call it again after any of them.
        """
        self._cap = self._log.describe().size
        if not self._lease.acquire():
            return False
        client = self._collections.client
        with client.start_session(causal_consistency=True) as session:
            raise_fence(self._collections, self._lease, session)
            self._lease.renew()
            newest = self._log.newest(session)
            ids = self._log.ids_since(newest.undeleted, session)
            last = self._log.holding(newest.last, session)
        self._delete(ids)
        self._window = frozenset(each.binary for each in ids)
        self._next = newest.last + 1
        self._retention, self._held_bytes = Retention(self._collections), 0
        self._floor = 0 if last is None else last.records()[-1].created_ms
        logger.info("sequencing %s from seq %d, fence %d", self._collections.log.full_name, self._next, self.fence)
        return True

    @apart
    def sweep(self) -> Swept:
        """Moves what staging holds now, up to 10,000 messages, 16 MiB or a quarter of the cap, but at least one.

        Raises LeaseLost, Doubt and pymongo's errors: take over again then.
        """
        if self._lease.renew_if_due():
            self._check_fence()
        hold = self._still_held()
        if hold is not None:
            return Swept(0, self._swept, hold)
        documents, self._swept = self._fetch()
        fetched = len(documents)
        staged = self._parse(documents)
        del documents  # 16 MiB that would otherwise live until all is appended
        done = [each for each in staged if each.id in self._window]
        fresh = [each for each in staged if each.id not in self._window]
        appended, hold = self._append(fresh) if fresh else (0, None)
        done += fresh[:appended]
        if done:
            self._delete([ObjectId(each.id) for each in done])
            self._window = frozenset(each.id for each in done)
        return Swept(len(done) + fetched - len(staged), self._swept, hold)

    def _still_held(self) -> Hold | None:
        """Asks before fetching what is held back, which may be 16 MiB, once more."""
        if not self._held_bytes:
            return None
        spare, hold = self._retention.spare(self._held_bytes, self._cap, self._next - 1)
        if spare >= self._held_bytes:
            self._held_bytes = 0
            return None
        return hold

    def _parse(self, documents: list[bytes]) -> list[Staged]:
        staged = []
        for document in documents:
            try:
                staged.append(staging.parse(document))
            except staging.Malformed as error:
                self._bury(staging.salvage(document), _FENCED, str(error))
        return staged

    def _check_fence(self) -> None:
        live = self._log.describe()
        self._cap = live.size
        if live.fence < self.fence:
            raise Doubt(f"the log's validator lets in fence {live.fence}, below this sequencer's {self.fence}")

    def _fetch(self) -> tuple[list[bytes], Timestamp]:
        """One command, in a snapshot of its own: a session would pin its first snapshot for life."""
        with call():
            reply = self._collections.database.command(
                {
                    "find": self._collections.staging.name,
                    "sort": {"at": 1},
                    "batchSize": SWEEP_RECORDS,
                    "singleBatch": True,
                    "readConcern": {"level": "snapshot"},
                },
                codec_options=RAW,
            )
        budget = min(SWEEP_BYTES, self._cap // 4)
        documents: list[bytes] = []
        for document in reply["cursor"]["firstBatch"]:
            budget -= len(document.raw) + batch.ENVELOPE_BYTES
            if documents and budget < 0:
                break
            documents.append(bytes(document.raw))
        if "atClusterTime" not in reply["cursor"]:  # a collection that is not there has no snapshot
            raise OutboxNotCreated(f"{self._collections.staging.full_name} is gone: run Outbox(…).create()")
        return documents, reply["cursor"]["atClusterTime"]

    def _append(self, fresh: list[Staged]) -> tuple[int, Hold | None]:
        """Appends as many as may be without a durable reader's loss, the first ones first; says how many."""
        first, created = self._next, self._created(fresh)
        sizes = [batch.record_size(each.rest) for each in fresh]
        members: list[list[Staged]] = []
        documents: list[RawBSONDocument] = []
        for part in batch.cut(sizes, [each.id in self._suspects for each in fresh]):
            members.append(fresh[part])
            dated = zip(members[-1], created[part], strict=True)
            records = [batch.record(each.id, date, each.rest) for each, date in dated]
            documents.append(RawBSONDocument(batch.pack(first + part.start, self.fence, first, records)))
        for document, them in zip(documents, members, strict=True):
            if len(document.raw) > batch.MAX_DOCUMENT:
                self._refused(them, 10334, "larger than 16 MiB in the log")
        hold = self._hold_back(documents)
        if not documents:
            return 0, hold
        self._lease.check()
        try:
            with call():
                self._collections.log.insert_many(documents)
        except pymongo.errors.BulkWriteError as error:
            for refusal in error.details["writeErrors"]:
                self._refused(members[refusal["index"]], refusal["code"], refusal["errmsg"])
            raise
        appended = sum(len(each) for each in members[: len(documents)])
        self._next += appended
        self._floor = created[appended - 1]
        self._suspects.clear()
        return appended, hold

    def _hold_back(self, documents: list[RawBSONDocument]) -> Hold | None:
        """Cuts off the batches that would push a durable reader's next record over the edge of the log."""
        sizes = [len(each.raw) for each in documents]
        spare, slowest = self._retention.spare(sum(sizes), self._cap, self._next - 1)
        for index, size in enumerate(sizes):
            if size > spare:
                del documents[index:]
                self._held_bytes = size
                return slowest
            spare -= size
            self._retention.spend(size)
        return None

    def _created(self, fresh: list[Staged]) -> list[int]:
        """`created` may neither run ahead of the server's own time (by more than a second) nor behind its predecessor:
        one wrong clock among the putters must not move the others' dates."""
        created, floor, latest = [], self._floor, (self._swept.time + 1) * 1000
        for each in fresh:
            floor = max(floor, min(each.created, (each.at + 1) * 1000, latest))
            created.append(floor)
        return created

    def _refused(self, members: list[Staged], code: int, reason: str) -> None:
        """The log refused this batch. Says why it must be doubted; buries a message that the log will never take."""
        if code == _FENCED:
            raise LeaseLost(f"a newer sequencer has fenced the log against fence {self.fence}")
        if code == _DUPLICATE:
            raise Doubt("another sequencer appended the same number")
        if code in _REFUSED and len(members) > 1:
            self._suspects.update(each.id for each in members)
            raise Doubt(f"the log refuses one of {len(members)} messages ({reason}); each is tried alone")
        if code in _REFUSED:
            self._bury(staging.fields(members[0]), code, reason)
            raise Doubt(f"the log refuses message {ObjectId(members[0].id)}; it is dead-lettered now")

    def _bury(self, message: dict[str, Any], code: int, reason: str) -> None:
        """Moves a message the log will never take to the dead letters: one bad put must not stall everybody's."""
        id, now = message["_id"], datetime.now(UTC)
        dead = self._collections.dead.full_name
        logger.error("the log refuses message %s for good (%d: %s); it goes to %s", id, code, reason, dead)
        data: RawBSONDocument | None = message["data"]
        if isinstance(data, RawBSONDocument) and len(data.raw) > batch.LARGEST_MESSAGE:
            message, reason = (
                {**message, "data": None},
                f"{reason}; {len(data.raw)} bytes of data were too many to keep",
            )
        letter = {
            "reader": "sequencer",
            "seq": None,
            **{name: value for name, value in message.items() if name != "_id"},
            "error": {"code": code, "reason": reason},
            "attempts": 1,
            "first": now,
            "last": now,
            "state": "dead",
        }
        with call():
            self._collections.dead.replace_one({"_id": id}, letter, upsert=True)
        self._delete([id])

    def _delete(self, ids: list[ObjectId]) -> None:
        """By id, never by a range of `at`: a transaction that commits late may stand inside the range. With majority:
        a snapshot may be older than a `w: 1` delete, and would show the message again."""
        if len(ids) < _WORTH_HALVING:
            self._delete_many(ids)
            return
        half = len(ids) // 2  # two at once take 7 µs a message, one takes 11 (measured, one node)
        with ThreadPoolExecutor(2) as both:
            list(both.map(self._delete_many, (ids[:half], ids[half:])))

    def _delete_many(self, ids: list[ObjectId]) -> None:
        if ids:
            with call(DELETE_SECONDS):
                self._collections.staging.delete_many({"_id": {"$in": ids}})

    @apart
    def release(self) -> None:
        """Gives the lease back, so that another process can sequence at once. Raises pymongo's errors."""
        self._lease.release()

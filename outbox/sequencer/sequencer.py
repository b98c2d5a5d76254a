"""The sequencer: numbers what staging holds and appends it to the log. One at a time, fenced by the server."""

from __future__ import annotations

import logging
from concurrent.futures import Executor
from typing import NamedTuple

import pymongo.errors
from bson import ObjectId, Timestamp

from outbox.clock import Clock
from outbox.dead_letters.refused import dead_letter
from outbox.errors import LeaseLost, OutboxError
from outbox.log import batch
from outbox.log.log import Log
from outbox.log.retention import Hold, Retention
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.mongo.server_errors import short_message
from outbox.readers.tail import Tail
from outbox.sequencer import cleanup, packing
from outbox.sequencer.change_stream import Changes
from outbox.sequencer.cleanup import StagingCleanup
from outbox.sequencer.fence import raise_fence
from outbox.sequencer.packing import Packed
from outbox.sequencer.untaken import Untaken
from outbox.staging import document as staging
from outbox.staging.document import Staged
from outbox.threads.workers import Workers

logger = logging.getLogger("outbox")

APPEND_BYTES = 16 << 20
_FENCED = 121  # DocumentValidationFailure
_DUPLICATE = 11000
# What the log says of a document it will never take, whoever sends it and however often: deeper than 180 levels
# (15, Overflow), or larger than 16 MiB (2, BadValue; 10334, BSONObjectTooLarge).
_REFUSED = frozenset({2, 15, 10334})


class SweepResult(NamedTuple):
    """What one sweep did."""

    messages: int
    """How many were taken from staging, to the log or to the dead letters."""
    time: Timestamp
    """The server's time of the snapshot that was swept."""
    is_last: bool = False
    """Nothing is left of what staging held at `time`: only what is committed after it is to come."""
    hold: Hold | None = None
    """Why not all of staging was taken: a durable reader would have lost what it has not read yet."""
    is_behind: bool = False
    """The server, a new primary, does not show yet what was taken before: nothing was taken. Sweep again, soon."""


class TakeoverRequired(OutboxError):
    """The sequencer no longer knows what the log holds: it must take over again, if only from itself."""


class Sequencer:
    """Moves messages from staging to the log, in the order of the server's stamps. Passive, not thread-safe.

    Call `take_over()` until it is True, then `sweep()` again and again. Whatever `sweep` raises, call `take_over()`
    before the next sweep: there is one way back from every error and every doubt. `release()` at the end.

    While it appends, what comes next is fetched and what went before is deleted, on `threads` (its own when None):
    of the time that one message takes, half is the server's for the delete (measured).
    """

    def __init__(
        self,
        collections: Collections,
        lease: Lease | None = None,
        clock: Clock | None = None,
        threads: Executor | None = None,
        tail: Tail | None = None,
    ) -> None:
        self._collections = collections
        self._tail = Tail(collections) if tail is None else tail
        self._threads = Workers(3, "outbox-sequencer") if threads is None else threads
        self._clearing = StagingCleanup(collections.staging, self._threads)
        self._untaken = Untaken(collections, self._clearing, self._threads)
        self._log = Log(collections)
        self._lease = Lease(collections.leases, "sequencer", clock=clock) if lease is None else lease
        self._next = 0
        self._floor = 0  # the newest record's `created`, in ms
        self._cap = 0
        self._suspects: set[bytes] = set()
        self.retention = Retention(collections, 0)
        self._held_bytes = 0

    @property
    def fence(self) -> int:
        return self._lease.fence

    @property
    def next(self) -> int:
        """The seq of the next message, after a successful `take_over()`."""
        return self._next

    @outside_bound_session
    def take_over(self) -> bool:
        """Takes the lease, fences the log, and finishes what the last holder left. False when another process works.

        Raises pymongo's errors, LeaseLost, OutboxNotCreated; call it again after any of them.
        """
        self._tail.appended.end()
        self._clearing.forget()
        self._untaken.leave()
        self._cap = self._log.describe().size
        if not self._lease.acquire():
            return False
        client = self._collections.client
        with client.start_session(causal_consistency=True) as session:
            raise_fence(self._collections, self._lease, session)
            self._lease.renew()
            newest = self._log.newest(session)
            ids = self._log.ids_since(newest.undeleted, session)
            last = self._log.batch_at(newest.last, session)
            taken = {each.binary for each in ids}
            self._untaken.begin(taken, session.operation_time)
        self._untaken.took((), self._clearing.delete(taken))
        self._next = newest.last + 1
        self.retention, self._held_bytes = Retention(self._collections, self.fence), 0
        self.retention.begin(self._lease.found)
        self._floor = 0 if last is None else last.heads()[-1][2]
        self._tail.appended.begin(self.fence, self._next)
        logger.info("sequencing %s from seq %d, fence %d", self._collections.log.full_name, self._next, self.fence)
        return True

    @outside_bound_session
    def sweep(self, *, expecting: bool = True) -> SweepResult:
        """Moves what staging holds, up to some thousand messages or a few MiB of them: one bite of a snapshot.

        expecting: that it finds something; then what else is needed for that is asked for beside it.

        Raises LeaseLost, Doubt and pymongo's errors: take over again then.
        """
        if self._lease.renew_if_due():
            self._check_fence()
        hold = self._still_held()
        if hold is not None:
            self._clearing.flush()
            return SweepResult(0, self._untaken.time, hold=hold)
        if expecting:
            self.retention.ask(self._threads, self._next - 1)
        documents = self._untaken.page()
        if documents is None:
            return SweepResult(0, self._untaken.time, is_behind=True)
        fetched = len(documents)
        staged = self._parse(documents)
        del documents  # MiBs that would otherwise live until all is appended
        fresh = [each for each in staged if self._untaken.is_fresh(each.id)]
        again = [each.id for each in staged if not self._untaken.is_fresh(each.id)]
        if again:
            self._untaken.took((), self._clearing.delete(frozenset(again) - self._clearing.ids))
        if not fresh:
            self._clearing.flush()
            self.retention.rest()
        kept, hold = self._append_all(fresh)
        is_last = hold is None and self._untaken.is_whole
        if hold is not None or self._untaken.is_done:
            self._untaken.leave()
        return SweepResult(fetched - len(again) - kept, self._untaken.time, is_last, hold)

    @outside_bound_session
    def take(self, news: Changes) -> SweepResult:
        """Moves what was committed since the last sweep, which took all there was. Raises as `sweep`."""
        if self._lease.renew_if_due():
            self._check_fence()
        self._untaken.brought(news.time)
        staged = self._parse(news.documents)
        fresh = [each for each in staged if self._untaken.is_fresh(each.id)]
        kept, hold = self._append_all(fresh)
        return SweepResult(len(staged) - kept, self._untaken.time, hold is None, hold)

    def _still_held(self) -> Hold | None:
        """Asks before fetching what is held back, which may be 16 MiB, once more."""
        if not self._held_bytes:
            return None
        spare, hold = self.retention.spare(self._held_bytes, self._cap, self._next - 1)
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
                dead_letter(self._collections, document, error.code, str(error))
        return staged

    def _check_fence(self) -> None:
        live = self._log.describe()
        self._cap = live.size
        if live.fence < self.fence:
            raise TakeoverRequired(
                f"the log's validator lets in fence {live.fence}, below this sequencer's {self.fence}"
            )

    def _append_all(self, fresh: list[Staged]) -> tuple[int, Hold | None]:
        """Appends in parts of at most 16 MiB or a quarter of the cap. Says how many are left, and for whose sake.

        With two more parts being deleted from staging that is three quarters, and a little that is yet to be deleted
        goes with each: whoever takes over finds them all.
        """
        left, little = len(fresh), min(cleanup.WORTH_BYTES, self._cap // 16)
        for part in packing.parts(fresh, min(APPEND_BYTES, self._cap // 4)):
            first = self._next
            appended, hold = self._append(part)
            if appended:
                ids = [each.id for each in part[:appended]]
                size = sum(batch.record_size(each.rest) for each in part[:appended])
                self._clearing.begin(first, ids, size, little)
                left -= appended
            if hold is not None:
                return left, hold
        return 0, None

    def _append(self, fresh: list[Staged]) -> tuple[int, Hold | None]:
        """Appends as many as may be without a durable reader's loss, the first ones first; says how many."""
        created = packing.dates(fresh, self._floor, self._untaken.time.time)
        undeleted = self._clearing.undeleted(self._next)
        packed = packing.pack(fresh, created, self._next, self.fence, undeleted, self._suspects)
        hold = self._hold_back(packed)
        if not packed:
            return 0, hold
        self._lease.check()
        self.retention.look_ahead(self._threads, self._next - 1)
        try:
            with time_limit(), self._collections.client.start_session() as session:
                self._collections.log.insert_many([each.document for each in packed], session=session)
        except pymongo.errors.BulkWriteError as error:
            for refusal in error.details["writeErrors"]:
                self._refused(packed[refusal["index"]].members, refusal["code"], refusal["errmsg"])
            raise
        self.retention.landed()
        self._tail.announce([each.batch for each in packed], session)
        appended = packed[-1].batch.last + 1 - self._next
        self._untaken.took((each.id for each in fresh[:appended]), session.operation_time)
        self._next += appended
        self._floor = created[appended - 1]
        self._suspects.clear()
        return appended, hold

    def _hold_back(self, packed: list[Packed]) -> Hold | None:
        """Cuts off the batches that would push a durable reader's next record over the edge of the log."""
        sizes = [len(each.batch.raw) for each in packed]
        spare, slowest = self.retention.spare(sum(sizes), self._cap, self._next - 1)
        for index, size in enumerate(sizes):
            if size > spare:
                del packed[index:]
                self._held_bytes = size
                return slowest
            spare -= size
            self.retention.spend(size)
        return None

    def _refused(self, members: list[Staged], code: int, reason: str) -> None:
        """The log refused this batch. Says why it must be doubted; buries a message that the log will never take."""
        if code == _FENCED:
            raise LeaseLost(f"a newer sequencer has fenced the log against fence {self.fence}")
        if code == _DUPLICATE:
            raise TakeoverRequired("another sequencer appended the same number")
        if code in _REFUSED and len(members) > 1:
            self._suspects.update(each.id for each in members)
            raise TakeoverRequired(f"the log refuses one of {len(members)} messages ({reason}); each is tried alone")
        if code in _REFUSED:
            dead_letter(self._collections, staging.document(members[0]), code, reason)
            raise TakeoverRequired(f"the log refuses message {ObjectId(members[0].id)}; it is dead-lettered now")

    @outside_bound_session
    def release(self) -> None:
        """Waits for what is being deleted and gives the lease back, so that another process can sequence at once.

        Raises pymongo's errors.
        """
        self._tail.appended.end()
        try:
            self._untaken.leave()
            self._clearing.settle()
        except pymongo.errors.PyMongoError as error:  # whoever takes over deletes it
            logger.info(
                "%s: not all was deleted from staging: %s", self._collections.log.full_name, short_message(error)
            )
        try:
            self.retention.end()
        finally:
            self._threads.shutdown(wait=False)
            self._lease.release()

"""The sequencer: numbers what staging holds and appends it to the log. One at a time, fenced by the server."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Executor
from typing import NamedTuple

import pymongo.errors
from bson import Timestamp

from outbox.dead_letters.refused import dead_letter
from outbox.errors import LeaseLost
from outbox.log.log import Log
from outbox.log.retention import Hold, Retention
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.mongo.server_errors import short_message
from outbox.sequencer.appender import Appender, AppendListener, NobodyListens
from outbox.sequencer.change_stream import Changes
from outbox.sequencer.cleanup import StagingCleanup
from outbox.sequencer.fence import raise_fence
from outbox.sequencer.untaken import Untaken
from outbox.staging import document as staging
from outbox.staging.document import Staged
from outbox.threads.workers import Workers

logger = logging.getLogger("outbox")

_FENCE_SECONDS = 5.0  # between two looks at the log's validator


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
        threads: Executor | None = None,
        listener: AppendListener | None = None,
    ) -> None:
        self._collections = collections
        self._threads = Workers(3, "outbox-sequencer") if threads is None else threads
        self._clearing = StagingCleanup(collections.staging, self._threads)
        self._untaken = Untaken(collections, self._clearing, self._threads)
        self._log = Log(collections)
        self._lease = collections.lease("sequencer") if lease is None else lease
        self._fence_due = 0.0
        listener = NobodyListens() if listener is None else listener
        self.appender = Appender(collections, self._lease, self._clearing, self._threads, listener, self._untaken.took)

    @property
    def fence(self) -> int:
        return self._lease.fence

    @property
    def is_held(self) -> bool:
        """Whether it surely has the lease. No I/O. Thread-safe."""
        try:
            self._lease.check()
        except LeaseLost:
            return False
        return True

    @property
    def next(self) -> int:
        """The seq of the next message, after a successful `take_over()`."""
        return self.appender.next

    @property
    def retention(self) -> Retention:
        """How much may be appended, since the last `take_over()`."""
        return self.appender.retention

    @outside_bound_session
    def take_over(self) -> bool:
        """Takes the lease, fences the log, and finishes what the last holder left. False when another process works.

        Raises pymongo's errors, LeaseLost, OutboxNotCreated; call it again after any of them.
        """
        self.appender.end()
        self._clearing.abandon()
        self._untaken.leave()
        self.appender.measure()
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
        self.appender.begin(last, newest.last + 1)
        self._fence_due = self._lease.clock.monotonic() + _FENCE_SECONDS
        name = self._collections.log.full_name
        logger.info("sequencing %s from seq %d, fence %d", name, self.next, self.fence, extra={"outbox": name})
        return True

    @outside_bound_session
    def sweep(self, *, expecting: bool = True) -> SweepResult:
        """Moves what staging holds, up to some thousand messages or a few MiB of them: one page of a snapshot.

        expecting: that it finds something; then what else is needed for that is asked for beside it.

        Raises LeaseLost, TakeoverRequired and pymongo's errors: take over again then.
        """
        self.keep()
        hold = self.appender.still_held()
        if hold is not None:
            self._clearing.flush()
            return SweepResult(0, self._untaken.time, hold=hold)
        if expecting:
            self.appender.ask()
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
        kept, hold = self.appender.append(fresh, self._untaken.time.time)
        is_last = hold is None and self._untaken.is_whole
        if hold is not None or self._untaken.is_done:
            self._untaken.leave()
        return SweepResult(fetched - len(again) - kept, self._untaken.time, is_last, hold)

    @outside_bound_session
    def take(self, changes: Changes) -> SweepResult:
        """Moves what was committed since the last sweep, which took all there was. Raises as `sweep`."""
        self.keep()
        self._untaken.brought(changes.time)
        staged = self._parse(changes.documents)
        fresh = [each for each in staged if self._untaken.is_fresh(each.id)]
        kept, hold = self.appender.append(fresh, self._untaken.time.time)
        return SweepResult(len(staged) - kept, self._untaken.time, hold is None, hold)

    @outside_bound_session
    def keep(self) -> None:
        """Looks whether it is still the one that sequences. Raises LeaseLost, TakeoverRequired and pymongo's errors."""
        self._lease.check()
        now = self._lease.clock.monotonic()
        if now >= self._fence_due:
            self.appender.check_fence()
            self._fence_due = now + _FENCE_SECONDS

    def stand_by(self, seconds: float, stop: threading.Event) -> None:
        """Waits after a `take_over()` that was False: see Lease.wait."""
        self._lease.wait(seconds, stop)

    def _parse(self, documents: list[bytes]) -> list[Staged]:
        staged = []
        for document in documents:
            try:
                staged.append(staging.parse(document))
            except staging.Malformed as error:
                dead_letter(self._collections, document, error.code, str(error))
        return staged

    @outside_bound_session
    def release(self) -> None:
        """Waits for what is being deleted and gives the lease back, so that another process can sequence at once.

        Raises pymongo's errors.
        """
        self.appender.end()
        try:
            self._untaken.leave()
            self._clearing.wait_until_at_most()
        except pymongo.errors.PyMongoError as error:  # whoever takes over deletes it
            name = self._collections.log.full_name
            logger.info("%s: not all was deleted from staging: %s", name, short_message(error), extra={"outbox": name})
        try:
            self.retention.end()
        finally:
            self._threads.shutdown(wait=False)
            self._lease.release()

"""Holds leases: which process has a role. No two clocks are ever compared."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from bson import Int64
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError

from outbox.clock import Clock, SystemClock
from outbox.errors import LeaseLost
from outbox.mongo import patience
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.heartbeat import Heartbeat, Holding, beat, lost_to_another
from outbox.mongo.known_fence import known_fence
from outbox.mongo.process_identity import is_gone, this_process
from outbox.mongo.server_errors import is_closed, patiently, short_message

logger = logging.getLogger("outbox")

SECONDS = patience.LEASE_SECONDS
_LOOK_SECONDS = 0.1
_GONE_SECONDS = 0.2  # between two looks at a process of this host; each takes some 10 µs
MOST_SECONDS = 86_400.0
"""The longest lease time that a waiter believes: a day."""
_ANSWER_SECONDS = 2.0
RELEASE_SECONDS = 1.0


class Lease:
    """A role of one outbox (`sequencer`, `relay:kafka`, `schema`), held by at most one process at a time.

    While it is held, 1 is added to `beat` every third of the lease time, by the heartbeat of `Collections.lease`,
    whatever its holder is busy with; without one, nobody beats but `renew`. The lease time (`seconds`) is written with
    it. A waiter that has seen the same `{fence, beat}` for that time, on its own monotonic clock, takes the lease over
    with `fence` + 1. So a wrong clock can neither block a takeover nor hasten one. When the holder's process ran on the
    same host and is gone, a waiter takes over at once.

    Order: `acquire`, then `check` before all that only the holder may do, then `release`. Threads: several may call
    `check`, one at a time all else.

    seconds: the lease time. While the majority of the servers is slow to confirm a beat, the holder takes a longer one.
    """

    def __init__(
        self,
        leases: Collection[Document],
        role: str,
        *,
        owner: str | None = None,
        seconds: float = SECONDS,
        clock: Clock | None = None,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self.role = role
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}" if owner is None else owner
        self.seconds = seconds
        """The lease time that this holder asks for; the one it has is in the document."""
        self.fence = 0
        """The fence from when the lease is had until its holder has given it back, or has heard in `renew` that it is
        lost; else 0. It grows with each holding."""
        self.holder: str | None = None
        """Who had the lease when it was last looked at, as `host:pid:…`; None when nobody did."""
        self._leases = leases
        self.clock: Clock = SystemClock() if clock is None else clock
        self._heartbeat = heartbeat
        self._holding: Holding | None = None
        self._pid = os.getpid()
        self._process = this_process()
        self._seen: Document = {}
        self._seen_at = 0.0

    @property
    def document(self) -> Document:
        """The document as it was when the lease was last taken, or with what others have added to it by the last beat
        (outbox.mongo.heartbeat.HEARD)."""
        return {} if self._holding is None else self._holding.document

    @outside_bound_session
    def acquire(self) -> bool:
        """Tries once to take the lease, without waiting. True: held, with a new fence, also if it was held here before.

        Call it again every second or so: between the calls it sees that the beats of a dead holder stand still. Raises
        pymongo's errors, except while the majority is slow: it waits for that up to two minutes.
        """
        since = datetime.now(UTC)
        while True:
            try:
                return self._acquire()
            except PyMongoError as error:
                if not (error.timeout and self._answers() and patience.double()):
                    raise
                patience.tell(self.role, self._leases.full_name.removesuffix(".leases"), since)

    def _acquire(self) -> bool:
        self._leave()
        with time_limit():
            lease = self._leases.find_one({"_id": self.role})
            if lease is None:
                lease = self._found()
            if lease is None or not self.observe(lease):
                return False
            # The document may have been removed or restored, but not what was written under a higher fence.
            holding = self._taken(lease, max(lease["fence"], known_fence(self._leases, self.role)) + 1)
        if holding is None:
            return False
        if holding.wanted > holding.granted:  # a majority is slow to confirm, so only a longer lease helps
            self.renew()
        if self._heartbeat is not None:
            self._heartbeat.add(holding)
        return True

    def _leave(self) -> int:
        """Ends the holding, if there is one, for this process. Returns its fence."""
        fence, self.fence = self.fence, 0
        if self._holding is not None:
            self._holding.end(f"the lease {self.role!r} is not held")
            if self._heartbeat is not None:
                self._heartbeat.remove(self._holding)
        return fence

    def _answers(self) -> bool:
        """Tells whether the primary answers: then it was the majority that did not confirm in time."""
        try:
            with time_limit(_ANSWER_SECONDS):
                return bool(self._leases.database.client.admin.command("hello").get("isWritablePrimary"))
        except PyMongoError:
            return False

    def acquire_if_idle(self) -> bool:
        """Takes the lease: at once if nobody holds it, after the lease time if the holder has died. Blocks.

        False as soon as the holder is seen at work, within a third of the lease time. Raises as `acquire`.
        """
        first = None
        while not self.acquire():
            first = first or _sign(self._seen)
            if _sign(self._seen) != first:
                return False
            self.clock.wait(_LOOK_SECONDS)
        return True

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Waits so long, less when the lease can probably be had sooner; and until `stop` is set, then returns True.

        To be called after `acquire` has returned False. No I/O: so it sees at once that a process of this host is gone.
        """
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) > 0:
            stands = self._seen_at + seconds_of(self._seen, self.seconds) - self.clock.monotonic()
            if self.clock.wait(min(left, _GONE_SECONDS, max(stands, _LOOK_SECONDS)), stop):
                return True
            if is_gone(self._seen.get("process")) or stands <= _LOOK_SECONDS:
                break
        return stop.is_set()

    def _found(self) -> Document | None:
        lease: Document = {"_id": self.role, "owner": None, "beat": Int64(0), "fence": Int64(0), "renewed": None}
        try:
            self._leases.insert_one(lease)
        except DuplicateKeyError:
            return None  # another process was first; the next try reads what it wrote
        return lease

    def observe(self, lease: Document) -> bool:
        """Notes the lease's document, just read, and tells whether the lease could be taken now. No I/O."""
        self.holder, now = lease["owner"], self.clock.monotonic()
        if _sign(lease) != _sign(self._seen):
            self._seen_at = now
        self._seen = lease
        stands_still = now - self._seen_at >= seconds_of(lease, self.seconds)
        return lease["owner"] in (None, self.owner) or is_gone(lease.get("process")) or stands_still

    def _taken(self, old: Document, fence: int) -> Holding | None:
        """Takes the lease, if nobody else did or has beaten since `old` was read. `renewed` is only for people."""
        took = 0.0 if self._holding is None else self._holding.took
        unchanged = {name: old[name] for name in ("owner", "beat", "fence")}
        if old["owner"] == self.owner:  # a last beat of one's own may still arrive
            del unchanged["beat"]
        terms = {"seconds": patience.wanted_seconds(self.seconds, took), "process": {"$literal": self._process}}
        holder = {"owner": self.owner, "beat": {"$add": ["$beat", Int64(1)]}, "fence": Int64(fence)}
        sent = self.clock.monotonic()
        new = self._leases.find_one_and_update(
            {"_id": self.role, **unchanged},
            [{"$set": {**holder, **terms, "renewed": "$$NOW"}}],
            return_document=ReturnDocument.AFTER,
        )
        if new is None:
            return None
        took = self.clock.monotonic() - sent
        patience.took(took)
        self.fence, self._seen = fence, {}
        self._holding = Holding(new, self.seconds, sent, took)
        return self._holding

    def renew(self) -> None:
        """Beats now. Raises LeaseLost when another process has it, and pymongo's errors: it may have beaten then."""
        holding = self._holding
        if self.fence and holding is not None:
            beat(self._leases, [holding], self.clock)
        if not self.fence or holding is None or holding.is_over:
            self.fence = 0
            raise LeaseLost(lost_to_another(self.role))

    @contextmanager
    def longer(self, seconds: float) -> Iterator[None]:
        """Has at least this lease time inside the `with`, for work during which the lease must not change hands.

        Beats when it begins and when it ends. Raises as `renew`.
        """
        holding = self._holding
        if holding is not None:
            holding.asked = max(self.seconds, seconds)
        try:
            self.renew()
            yield
        finally:
            if holding is not None:
                holding.asked = self.seconds
        self.renew()

    def hold(self, session: ClientSession) -> None:
        """Makes the session's transaction fail unless this holding lasts until the commit. Raises LeaseLost.

        It writes to the lease's document: so this transaction and a takeover meanwhile cannot both be committed.
        """
        with time_limit():
            held = self._leases.update_one(
                {"_id": self.role, "owner": self.owner, "fence": Int64(self.fence)},
                {"$inc": {"plans": Int64(1)}},
                session=session,
            )
        if not held.matched_count:
            raise LeaseLost(lost_to_another(self.role))

    def check(self) -> None:
        """Raises LeaseLost when it is lost, or the last confirmed beat is so old that another process may have the
        lease. No I/O. Thread-safe."""
        if self._holding is None:
            raise LeaseLost(f"the lease {self.role!r} is not held")
        self._holding.check(self.clock.monotonic())

    @outside_bound_session
    def release(self) -> None:
        """Gives the lease back, so that a waiter has it at once. Raises pymongo's errors.

        A process that releases is about to end, and may be killed if that takes long. So it waits for a majority only
        for a second: if there is none now, the lease is free as soon as there is one.
        """
        fence = self._leave()
        if fence and self._pid == os.getpid():  # a forked process has only a copy: the lease is its parent's
            own = {"_id": self.role, "owner": self.owner, "fence": Int64(fence)}
            free = {"$set": {"owner": None}, "$inc": {"beat": Int64(1)}}
            with time_limit(RELEASE_SECONDS):
                patiently(lambda: self._leases.update_one(own, free), RELEASE_SECONDS / 2)

    @contextmanager
    def held(self, holder: str, log: logging.Logger = logger) -> Iterator[None]:
        """Gives the lease back at the end of the `with`, whatever happened; if that fails, it runs out by itself.

        holder: what the log calls it, such as "relay 'kafka'". log: where it says that the lease is not given back.
        """
        try:
            yield
        finally:
            try:
                self.release()
            except PyMongoError as error:
                # A program that ends has closed its client.
                level = logging.INFO if is_closed(error) else logging.WARNING
                log.log(level, "%s: the lease could not be given back: %s", holder, short_message(error))


def _sign(lease: Document) -> tuple[object, object]:
    """Returns what stands still while the holder gives no sign of life."""
    return lease.get("fence"), lease.get("beat")


def seconds_of(lease: Document, otherwise: float) -> float:
    """Returns the lease time that the holder goes by: the document's, else `otherwise`."""
    seconds = lease.get("seconds")
    return float(seconds) if isinstance(seconds, (int, float)) and 0 < seconds <= MOST_SECONDS else otherwise


def read_lease(leases: Collection[Document], role: str) -> dict[str, Any] | None:
    """Reads the lease's document, for status; None when the role was never held."""
    with time_limit():
        return leases.find_one({"_id": role})

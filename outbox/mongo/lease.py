"""Holds leases: which process has a role. No two clocks are ever compared."""

from __future__ import annotations

import logging
import math
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
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
from outbox.mongo.process_identity import is_gone, this_process
from outbox.mongo.server_errors import is_closed, patiently, short_message

logger = logging.getLogger("outbox")

SECONDS = 10.0
_LOOK_SECONDS = 0.1
_MOST_SECONDS = 120.0  # the longest lease time that slow beats can lead to
_SANE_SECONDS = 86_400.0
_BEATS = 6  # a slow beat takes at most a sixth of the lease time; by calculation 0.46 of it, after a third, would do
_ANSWER_SECONDS = 2.0
_LATE = "a majority of the servers is slow to confirm what is written (is one down, and another far behind?)"
RELEASE_SECONDS = 1.0
_SAFE = 0.8  # of the lease time: a holder stops before a waiter, whose clock may run a little faster, can have it


class Lease:
    """A role of one outbox (`sequencer`, `relay:kafka`, `schema`), held by at most one process at a time.

    The holder adds 1 to `beat` every third of the lease time, and writes the lease time (`seconds`) with it. A waiter
    that has seen the same `{fence, beat}` for that time, on its own monotonic clock, takes the lease over with `fence`
    + 1. So a wrong clock can neither block a takeover nor hasten one. When the holder's process ran on the same host
    and is gone, a waiter takes over at once. It has no thread of its own, and is not thread-safe.

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
    ) -> None:
        self.role = role
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}" if owner is None else owner
        self.seconds = seconds
        """The lease time that this holder asks for; the one it has is in the document."""
        self.fence = 0
        """The fence while the lease is held, else 0. It grows with each holding."""
        self.document: Document = {}
        """The document as it was when the lease was last taken or renewed, with what others have added to it."""
        self.holder: str | None = None
        """Who had the lease when it was last looked at, as `host:pid:…`; None when nobody did."""
        self._leases = leases
        self._clock: Clock = SystemClock() if clock is None else clock
        self._pid = os.getpid()
        self._beat = 0
        self._sent = 0.0
        self._took = 0.0  # how long the last beat took until it was confirmed
        self._granted = float(seconds)
        self._process = this_process()
        self._seen: tuple[int, int] | None = None
        self._seen_at = 0.0

    @outside_bound_session
    def acquire(self) -> bool:
        """Tries once to take the lease, without waiting. True: held, with a new fence, also if it was held here before.

        Call it again every second or so: between the calls it sees that the beats of a dead holder stand still. Raises
        pymongo's errors, except while the majority is slow: it waits for that up to two minutes.
        """
        while True:
            try:
                return self._acquire()
            except PyMongoError as error:
                if not (error.timeout and self._answers() and patience.double()):
                    raise
                logger.warning("the lease %r: %s; waiting %g s from now on", self.role, _LATE, patience.seconds())

    def _acquire(self) -> bool:
        self.fence = 0
        with time_limit():
            lease = self._leases.find_one({"_id": self.role})
            if lease is None:
                lease = self._found()
            if lease is None or not self.observe(lease):
                return False
            # The document may have been removed or restored, but not what was written under a higher fence.
            if not self._swap(lease, max(lease["fence"], self._known_fence()) + 1):
                return False
        if self._wanted() > self._granted:  # a majority is slow to confirm, so only a longer lease helps
            self.renew()
        return True

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
            first = first or self._seen
            if self._seen != first:
                return False
            self._clock.wait(_LOOK_SECONDS)
        return True

    def _found(self) -> Document | None:
        lease: Document = {"_id": self.role, **_held(None, 0, 0), "renewed": None}
        try:
            self._leases.insert_one(lease)
        except DuplicateKeyError:
            return None  # another process was first; the next try reads what it wrote
        return lease

    def _known_fence(self) -> int:
        """Returns the highest fence that was written under this lease elsewhere; 0 when there is none."""
        name, database = self._leases.name.removesuffix(".leases"), self._leases.database
        if self.role == "schema":
            return 0
        if self.role != "sequencer":
            cursor = database[f"{name}.cursors"].find_one({"_id": self.role}, {"fence": 1})
            return _whole(cursor)
        newest = database[name].find_one({}, {"fence": 1}, sort=[("_id", -1)])
        known = _whole(newest)
        for info in database.list_collections(filter={"name": name}):
            rule = info["options"].get("validator", {}).get("fence", {})
            known = max(known, _whole({"fence": rule.get("$gte")}))
        return known

    def observe(self, lease: Document) -> bool:
        """Notes the lease's document, just read, and tells whether the lease could be taken now. No I/O."""
        self.holder = lease["owner"]
        return lease["owner"] in (None, self.owner) or is_gone(lease.get("process")) or self._stands_still(lease)

    def _stands_still(self, lease: Document) -> bool:
        now = self._clock.monotonic()
        seen = (lease["fence"], lease["beat"])
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        return now - self._seen_at >= seconds_of(lease, self.seconds)

    def _swap(self, old: Document, fence: int) -> bool:
        """Takes or renews the lease, if nobody else did since `old` was read. `renewed` is only for people."""
        sent = self._clock.monotonic()
        seconds = self._wanted()
        terms = {"seconds": seconds, "process": {"$literal": self._process}}
        new = self._leases.find_one_and_update(
            {"_id": self.role, **{name: old[name] for name in ("owner", "beat", "fence")}},
            [{"$set": {**_held(self.owner, old["beat"] + 1, fence), **terms, "renewed": "$$NOW"}}],
            return_document=ReturnDocument.AFTER,
        )
        if new is None:
            return False
        self.fence, self.document, self._beat, self._sent = fence, new, new["beat"], sent
        if seconds > self._granted:
            logger.warning(
                "the lease %r is %g s now, for a beat took %.1f s: %s", self.role, seconds, self._took, _LATE
            )
        self._granted, self._took = seconds, self._clock.monotonic() - sent
        patience.took(self._took)
        self._seen = None
        return True

    def _wanted(self) -> float:
        return max(self.seconds, min(_MOST_SECONDS, float(math.ceil(_BEATS * self._took))))

    def renew_if_due(self) -> bool:
        """Beats when a third of the lease time has passed since the last beat: then returns True. Raises as `renew`."""
        if self.fence and self._clock.monotonic() - self._sent < self._granted / 3 and self._is_sure():
            return False
        self.renew()
        return True

    @outside_bound_session
    def renew(self) -> None:
        """Beats now. Raises LeaseLost when another process has it, and pymongo's errors: it may have beaten then."""
        with time_limit():
            if not self.fence or not self._swap(_held(self.owner, self._beat, self.fence), self.fence):
                self.fence = 0
                raise LeaseLost(f"the lease {self.role!r} is held by another process now")

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
            raise LeaseLost(f"the lease {self.role!r} is held by another process now")

    def check(self) -> None:
        """Raises LeaseLost when the last confirmed beat is so old that another process may have the lease. No I/O."""
        if not self.fence or not self._is_sure():
            raise LeaseLost(f"the lease {self.role!r} could not be confirmed in time")

    def _is_sure(self) -> bool:
        return self._clock.monotonic() - self._sent < self._granted * _SAFE

    @outside_bound_session
    def release(self) -> None:
        """Gives the lease back, so that a waiter has it at once. Raises pymongo's errors.

        A process that releases is about to end, and may be killed if that takes long. So it waits for a majority only
        for a second: if there is none now, the lease is free as soon as there is one.
        """
        fence, self.fence = self.fence, 0
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
                level = (
                    logging.INFO if is_closed(error) else logging.WARNING
                )  # the program ends, and has closed its client
                log.log(level, "%s: the lease could not be given back: %s", holder, short_message(error))


def _held(owner: str | None, beat: int, fence: int) -> Document:
    return {"owner": owner, "beat": Int64(beat), "fence": Int64(fence)}


def _whole(lease: Document | None) -> int:
    """Returns the fence of a lease's document; 0 without one."""
    fence = None if lease is None else lease.get("fence")
    return fence if isinstance(fence, int) else 0


def seconds_of(lease: Document, otherwise: float) -> float:
    """Returns the lease time that the holder goes by: the document's, else `otherwise`."""
    seconds = lease.get("seconds")
    return float(seconds) if isinstance(seconds, (int, float)) and 0 < seconds <= _SANE_SECONDS else otherwise


def read_lease(leases: Collection[Document], role: str) -> dict[str, Any] | None:
    """Reads the lease's document, for status; None when the role was never held."""
    with time_limit():
        return leases.find_one({"_id": role})

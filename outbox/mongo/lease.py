"""A lease: which process holds a role. No two clocks are ever compared."""

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
_MOST_SECONDS = 120.0  # that slow beats can bring a lease to
_SANE_SECONDS = 86_400.0
_BEATS = 6  # so long beats take a sixth of the lease time; by itself a beat of a third and 0.46 of it would do
_ANSWER_SECONDS = 2.0
_LATE = "a majority of the servers is slow to confirm what is written (is one down, and another far behind?)"
RELEASE_SECONDS = 1.0
_SAFE = 0.8  # of the lease time: a holder stops before a waiter, whose clock may run a little faster, can have it


class Lease:
    """A role of one outbox (`sequencer`, `relay:kafka`, `schema`), held by at most one process at a time.

    The holder adds 1 to `beat` every third of the lease time, which it writes down with it (`seconds`); a waiter that
    has seen the same `{fence, beat}` for as long, on its own monotonic clock, takes it over with `fence` + 1. So a
    wrong clock can neither block a takeover nor hasten one. A holder of the same host whose process is gone is
    succeeded at once. Passive (no thread of its own) and not thread-safe.

    seconds: the lease time. While the majority of the servers is slow to confirm a beat, the holder takes more.
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
        """The lease time that this holder asks for; what it has is written in the document."""
        self.fence = 0
        """The fence of the present holding; 0 when not held. Only grows from one holder to the next."""
        self.found: Document = {}
        """The document as it was when the lease was taken or renewed last, with what others have added to it."""
        self._leases = leases
        self._clock: Clock = SystemClock() if clock is None else clock
        self._pid = os.getpid()
        self._beat = 0
        self._sent = 0.0
        self._took = 0.0  # the last beat, until it was confirmed
        self._granted = float(seconds)
        self._process = this_process()
        self._seen: tuple[int, int] | None = None
        self._seen_at = 0.0

    @outside_bound_session
    def acquire(self) -> bool:
        """Tries once, without waiting. True means held, with a new fence, also when it was one's own before.

        Call it again every second or so: a holder that has died is recognised by standing still between the calls.
        Raises pymongo's errors, but for a majority that is slow: that is waited for, up to two minutes.
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
            # Whoever has removed the document, or restored an older one, has not undone what was written under it.
            if not self._swap(lease, max(lease["fence"], self._known_fence()) + 1):
                return False
        if self._wanted() > self._granted:  # a majority is slow to confirm: then only a longer lease is of any use
            self.renew()
        return True

    def _answers(self) -> bool:
        """Whether the primary answers, so that it is the majority that was waited for in vain."""
        try:
            with time_limit(_ANSWER_SECONDS):
                return bool(self._leases.database.client.admin.command("hello").get("isWritablePrimary"))
        except PyMongoError:
            return False

    def acquire_if_idle(self) -> bool:
        """Takes it, at once if nobody has it, after the lease time if its holder has died; False as soon as the holder
        is seen at work, within a third of the lease time. For who tries only once. Blocks; raises as `acquire`."""
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
        """The highest fence of this role that is known without its lease: 0, or what was written under it."""
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
        """Takes note of the document, which somebody has just read; whether it could be taken now. No I/O."""
        return lease["owner"] in (None, self.owner) or is_gone(lease.get("process")) or self._stands_still(lease)

    def _stands_still(self, lease: Document) -> bool:
        now = self._clock.monotonic()
        seen = (lease["fence"], lease["beat"])
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        return now - self._seen_at >= seconds_of(lease, self.seconds)

    def _swap(self, old: Document, fence: int) -> bool:
        """Compare-and-set on all that identifies a holding; `renewed` is the server's time, for people only."""
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
        self.fence, self.found, self._beat, self._sent = fence, new, new["beat"], sent
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
        """Beats when a third of the lease time has passed since the last beat: True then. Raises as `renew`."""
        if self.fence and self._clock.monotonic() - self._sent < self._granted / 3 and self._is_sure():
            return False
        self.renew()
        return True

    @outside_bound_session
    def renew(self) -> None:
        """Beats now. Raises LeaseLost when another process has it; pymongo's errors leave the outcome open."""
        with time_limit():
            if not self.fence or not self._swap(_held(self.owner, self._beat, self.fence), self.fence):
                self.fence = 0
                raise LeaseLost(f"the lease {self.role!r} is held by another process now")

    def hold(self, session: ClientSession) -> None:
        """Makes the session's transaction one that can be committed only while this holding lasts. Raises LeaseLost.

        The count makes it a write: who takes the lease over meanwhile, and this, cannot both be.
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
        """Raises LeaseLost once the last confirmed beat is too old to be sure of the lease. No I/O."""
        if not self.fence or not self._is_sure():
            raise LeaseLost(f"the lease {self.role!r} could not be confirmed in time")

    def _is_sure(self) -> bool:
        return self._clock.monotonic() - self._sent < self._granted * _SAFE

    @outside_bound_session
    def release(self) -> None:
        """Gives the lease back, so that a waiter has it at once. Raises pymongo's errors.

        Whoever does this is about to end, and may be killed if that takes long. So a majority is not waited for longer
        than a second: if there is none now, the lease is free as soon as there is one.
        """
        fence, self.fence = self.fence, 0
        if fence and self._pid == os.getpid():  # a forked process has a copy of it, and its parent the lease
            own = {"_id": self.role, "owner": self.owner, "fence": Int64(fence)}
            free = {"$set": {"owner": None}, "$inc": {"beat": Int64(1)}}
            with time_limit(RELEASE_SECONDS):
                patiently(lambda: self._leases.update_one(own, free), RELEASE_SECONDS / 2)

    @contextmanager
    def held(self, holder: str, log: logging.Logger = logger) -> Iterator[None]:
        """Gives the lease back at the end of the `with`, whatever has happened; one that cannot be runs out by itself.

        holder: what the log calls it, such as "relay 'kafka'". log: where it says that the lease is not given back.
        """
        try:
            yield
        finally:
            try:
                self.release()
            except PyMongoError as error:
                level = logging.INFO if is_closed(error) else logging.WARNING  # a program that ends has closed it
                log.log(level, "%s: the lease could not be given back: %s", holder, short_message(error))


def _held(owner: str | None, beat: int, fence: int) -> Document:
    return {"owner": owner, "beat": Int64(beat), "fence": Int64(fence)}


def _whole(found: Document | None) -> int:
    """Its fence; 0 without one."""
    fence = None if found is None else found.get("fence")
    return fence if isinstance(fence, int) else 0


def seconds_of(lease: Document, otherwise: float) -> float:
    """The lease time that a lease's holder goes by: what its document says, else `otherwise`."""
    seconds = lease.get("seconds")
    return float(seconds) if isinstance(seconds, (int, float)) and 0 < seconds <= _SANE_SECONDS else otherwise


def read_lease(leases: Collection[Document], role: str) -> dict[str, Any] | None:
    """The lease's document, for status; None when the role was never held."""
    with time_limit():
        return leases.find_one({"_id": role})

"""The heartbeat: renews the leases that this process holds of one outbox, whatever their holders are busy with."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from weakref import WeakSet

from bson import Int64
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from outbox.clock import Clock, SystemClock
from outbox.errors import LeaseLost
from outbox.mongo import patience
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.server_errors import is_closed, short_message

logger = logging.getLogger("outbox")

HEARD = ("wanted", "pauses")
"""What others write into the document of a lease for its holder to hear: a beat that finds one changed reads it."""
LATE = "a majority of the servers is slow to confirm what is written (is one down, and another far behind?)"
_MOST_SECONDS = 120.0  # the longest lease time that slow beats can lead to
_BEATS = 6  # a slow beat takes at most a sixth of the lease time; by calculation 0.46 of it, after a third, would do
_SAFE = 0.8  # of the lease time: a holder stops before a waiter, whose clock may run a little faster, can have it
_TRIES = 3


def wanted_seconds(asked: float, took: float) -> float:
    """Returns the lease time to have when the last beat took so long until a majority had confirmed it."""
    return max(asked, min(_MOST_SECONDS, float(math.ceil(_BEATS * took))))


def lost_to_another(role: str) -> str:
    """Says, for LeaseLost, that another process has the lease."""
    return f"the lease {role!r} is held by another process now"


class Holding:
    """Knows until when the lease that was taken with `document` is surely held. No I/O.

    Thread-safe: the holder asks, while the heartbeat's thread tells it of beats. A beat that is confirmed when the
    holding is over changes nothing of the next one, which is another object.
    """

    def __init__(self, document: Document, asked: float, sent: float, took: float) -> None:
        """asked: the lease time when beats are quick. sent: when the taking was sent. took: how long that took."""
        self.role: str = document["_id"]
        self.owner: str = document["owner"]
        self.fence: int = document["fence"]
        self.document = document
        """As it was taken, or as it was when the heartbeat last found that others had changed it."""
        self.asked = asked
        self.took = took
        self.granted: float = document["seconds"]
        self.reason = f"the lease {self.role!r} could not be confirmed in time"
        """Why it is not surely held, if it is not."""
        self.due = sent + self.granted / 3
        """When the next beat is to be sent."""
        self.is_over = False
        """Whether it is known to be lost, or given back."""
        self._sure_until = sent + self.granted * _SAFE

    @property
    def wanted(self) -> float:
        """The lease time that the next beat asks for."""
        return wanted_seconds(self.asked, self.took)

    def terms(self) -> Document:
        """Finds the document while the lease is held, and nothing has come that the holder is to hear."""
        heard = {name: self.document.get(name) for name in HEARD}
        return {"_id": self.role, "owner": self.owner, "fence": Int64(self.fence), **heard}

    def confirmed(self, sent: float, seconds: float, took: float) -> None:
        """Notes a beat that a majority has confirmed."""
        if seconds > max(self.granted, self.asked):
            logger.warning("the lease %r is %g s now, for a beat took %.1f s: %s", self.role, seconds, self.took, LATE)
        self.granted, self.took, self.due = seconds, took, sent + seconds / 3
        self._sure_until = sent + seconds * _SAFE

    def failed(self, now: float, why: str) -> None:
        """Notes that nobody knows of a beat whether it counts: the next one is to be tried soon."""
        self.due = now + self.granted / 12
        if not self.is_over:
            self.reason = f"the lease {self.role!r} could not be confirmed in time: {why}"

    def found(self, document: Document | None) -> None:
        """Notes the document as it is now: so it is seen that another has the lease, or what the holder is to hear."""
        if document is None or (document.get("owner"), document.get("fence")) != (self.owner, self.fence):
            self.end(lost_to_another(self.role))
        else:
            self.document = document

    def end(self, reason: str) -> None:
        """Makes it count no more, whatever is confirmed later."""
        self.reason, self.is_over = reason, True

    def check(self, now: float) -> None:
        """Raises LeaseLost, unless it is surely held at the time `now`."""
        if self.is_over or now >= self._sure_until:
            raise LeaseLost(self.reason)


@outside_bound_session
def beat(leases: Collection[Document], holdings: Sequence[Holding], clock: Clock) -> None:
    """Beats for all of them, which want the same lease time, with one command while nothing else has changed.

    Each is told what came of it: confirmed, lost, or nothing after an error, which is raised. Raises pymongo's errors.
    """
    for _ in range(_TRIES):
        if not holdings:
            return
        seconds, sent = holdings[0].wanted, clock.monotonic()
        with time_limit():
            told = leases.update_many(
                {"$or": [each.terms() for each in holdings]},
                {"$inc": {"beat": Int64(1)}, "$set": {"seconds": seconds}, "$currentDate": {"renewed": True}},
            )
            took = clock.monotonic() - sent
            if told.matched_count == len(holdings):
                patience.took(took)
                for each in holdings:
                    each.confirmed(sent, seconds, took)
                return
            roles = [each.role for each in holdings]
            # With majority, a primary that was just elected might not know yet who holds it.
            fresh = leases.with_options(read_concern=ReadConcern("local")).find({"_id": {"$in": roles}})
            found = {document["_id"]: document for document in fresh}
        for each in holdings:
            each.found(found.get(each.role))
        holdings = [each for each in holdings if not each.is_over]


class Heartbeat:
    """Beats for each holding that was added, a third of its lease time after the last beat. Thread-safe.

    Its thread lives while there are any. All that are due go with one command; and when one is due, so are the others
    of the same lease time: an outbox that is read and sequenced at rest costs a command a second. A holding that nobody
    refers to any more is not beaten for, and a forked process beats for none of its parent's.
    """

    def __init__(self, leases: Collection[Document], clock: Clock | None = None) -> None:
        self._leases = leases
        self.clock: Clock = SystemClock() if clock is None else clock
        self._forget()
        _all.add(self)

    def _forget(self) -> None:
        self._changed = threading.Condition()
        self._held: WeakSet[Holding] = WeakSet()
        self._thread: threading.Thread | None = None

    def add(self, holding: Holding) -> None:
        """Beats for it from now on, until it is over or removed. Raises RuntimeError when no thread can be had."""
        with self._changed:
            if self._thread is None:
                name = f"outbox-heartbeat-{self._leases.name.removesuffix('.leases')}"
                thread = threading.Thread(target=outside_bound_session(self._run), name=name, daemon=True)
                thread.start()
                self._thread = thread
            self._held.add(holding)
            self._changed.notify()

    def remove(self, holding: Holding) -> None:
        """Beats no more for it; one that is under way may still arrive."""
        with self._changed:
            self._held.discard(holding)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                held = [each for each in self._held if not each.is_over]
                if not held:
                    self._held.clear()
                    self._thread = None
                    return
                until = min(each.due for each in held) - self.clock.monotonic()
                if until > 0:
                    del held  # or what its holder has dropped would live on meanwhile
                    self._changed.wait(until)
                    continue
            self.beat(held)
            del held

    def beat(self, held: Iterable[Holding]) -> None:
        """Beats for those that are due, with the others of the same lease time. Tells each what came of it."""
        by_seconds = defaultdict(list)
        for each in held:
            by_seconds[each.wanted].append(each)
        for same in by_seconds.values():
            if min(each.due for each in same) <= self.clock.monotonic():
                self._beat(same)

    def _beat(self, holdings: list[Holding]) -> None:
        try:
            beat(self._leases, holdings, self.clock)
        except PyMongoError as error:
            why = short_message(error)
            logger.info("%s: a beat failed, and is tried again: %s", self._leases.full_name, why)
            if is_closed(error):  # its holders will hear that, too, and end
                for each in holdings:
                    self.remove(each)
        except Exception as error:
            logger.exception("%s: a beat failed, and is tried again: unforeseen", self._leases.full_name)
            why = repr(error)
        else:
            return
        for each in holdings:
            each.failed(self.clock.monotonic(), why)


_all: WeakSet[Heartbeat] = WeakSet()


def _forget_all() -> None:
    for each in list(_all):
        each._forget()  # a forked process has none of the threads, and perhaps locks that nobody opens


os.register_at_fork(after_in_child=_forget_all)

"""The heartbeat: renews the leases that this process holds of one outbox, whatever their holders are busy with."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from weakref import WeakSet

from bson import Int64
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from outbox.clock import Clock, SystemClock, in_step
from outbox.counting.repeats import Repeats
from outbox.errors import LeaseLost
from outbox.mongo import patience
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.server_errors import is_closed, short_message

logger = logging.getLogger("outbox")

HEARD = ("wanted", "pauses")
"""What others write into the document of a lease for its holder to hear: a beat that finds one changed reads it."""
_SAFE = 0.8  # of the lease time: a holder stops before a waiter, whose clock may run a little faster, can have it
_TRIES = 3
LATE_SECONDS = 0.05
_IDLE_SECONDS = 5.0


def lost_to_another(role: str) -> str:
    """Says, for LeaseLost, that another process has the lease."""
    return f"the lease {role!r} is held by another process now"


def _due(sent: float, seconds: float) -> float:
    """Returns when the beat after the one sent at `sent` is to go: a third of the lease time later or sooner."""
    due = sent + seconds / 3
    # All together, and between two seconds: what rests wakes at full ones.
    return in_step(due - 0.5) + 0.5 if seconds >= 3 else due


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
        self.due = _due(sent, self.granted)
        """When the next beat is to be sent."""
        self.is_over = False
        """Whether it is known to be lost, or given back."""
        self._sure_until = sent + self.granted * _SAFE

    @property
    def wanted(self) -> float:
        """The lease time that the next beat asks for."""
        return patience.wanted_seconds(self.asked, self.took)

    def terms(self) -> Document:
        """Finds the document while the lease is held, and nothing has come that the holder is to hear."""
        heard = {name: self.document.get(name) for name in HEARD}
        return {"_id": self.role, "owner": self.owner, "fence": Int64(self.fence), **heard}

    def confirmed(self, sent: float, seconds: float, took: float) -> None:
        """Notes a beat that a majority has confirmed."""
        if seconds > max(self.granted, self.asked):
            patience.tell_longer(self.role, seconds, self.took)
        self.granted, self.took, self.due = seconds, took, _due(sent, seconds)
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

    def is_sure(self, now: float) -> bool:
        """Tells whether it is surely held at the time `now`."""
        return not self.is_over and now < self._sure_until

    def check(self, now: float) -> None:
        """Raises LeaseLost, unless it is surely held at the time `now`."""
        if not self.is_sure(now):
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

    All of one outbox that are due go with one command; and when one is due, so are the others of the same lease time:
    an outbox that is read and sequenced at rest costs a command a second. A holding that nobody refers to any more is
    not beaten for, and a forked process beats for none of its parent's.
    """

    def __init__(self, leases: Collection[Document], clock: Clock | None = None) -> None:
        self._leases = leases
        self.clock: Clock = SystemClock() if clock is None else clock
        self._repeats = Repeats(self.clock)
        self._log = logging.LoggerAdapter(logger, {"outbox": leases.full_name.removesuffix(".leases")})
        self._forget()
        with _threads.changed:
            _all.add(self)

    def _forget(self) -> None:
        self.is_beating = False
        self._held: WeakSet[Holding] = WeakSet()
        self._due = math.inf

    def add(self, holding: Holding) -> None:
        """Beats for it from now on, until it is over or removed. Raises RuntimeError when no thread can be had."""
        with _threads.changed:
            _threads.begin(0)
            self._held.add(holding)
            self._due = min(self._due, holding.due)
            _threads.changed.notify_all()

    def remove(self, holding: Holding) -> None:
        """Beats no more for it; one that is under way may still arrive."""
        with _threads.changed:
            self._held.discard(holding)
            self._look()
            _threads.changed.notify_all()

    def holdings(self) -> list[Holding]:
        """Returns those that are not known to be over."""
        with _threads.changed:
            return [each for each in self._held if not each.is_over]

    def left(self) -> float:
        """Returns the seconds until something is to be done; infinite when nothing is held."""
        return self._due - self.clock.monotonic()

    def beat_for_all(self) -> None:
        """Beats for all that is held, if it is due."""
        self.beat(self.holdings())
        with _threads.changed:
            self._look()

    def _look(self) -> None:
        self._due = min((each.due for each in self._held if not each.is_over), default=math.inf)

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
            return
        except PyMongoError as error:
            why = short_message(error)
            self._repeats.log(self._log, "%s: a beat failed, and is tried again", self._leases.full_name, why)
            if is_closed(error):  # its holders will hear that, too, and end
                for each in holdings:
                    self.remove(each)
        except Exception as error:  # noqa: BLE001  # logged whole, by an adapter
            self._log.exception("%s: a beat failed, and is tried again: unforeseen", self._leases.full_name)
            why = repr(error)
        for each in holdings:
            each.failed(self.clock.monotonic(), why)


class _Threads:
    """The threads that beat for all heartbeats of the process: one, as long as the servers answer quickly.

    It takes what is due, one after another. The next thread takes what is late by LATE_SECONDS, the one after that what
    is late by twice as much: so a beat that takes long holds up no other for longer. With a thread for each outbox the
    beats of twenty took 2 % of a core, with one thread 1 % (measured).
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._ranks: set[int] = set()

    def begin(self, rank: int) -> None:
        """Makes sure that there is the thread of this rank. Call it with the lock; raises RuntimeError."""
        if rank not in self._ranks:
            run = outside_bound_session(self._run)
            threading.Thread(target=run, args=(rank,), name="outbox-heartbeat", daemon=True).start()
            self._ranks.add(rank)

    def _run(self, rank: int) -> None:
        while True:
            try:
                self._beat_on(rank)
                return
            except Exception:
                logger.exception("a thread that beats for leases failed, and goes on: unforeseen")
                with self.changed:
                    self.changed.wait(LATE_SECONDS)

    def _beat_on(self, rank: int) -> None:
        needed = time.monotonic()
        while True:
            with self.changed:
                waiting = [(each.left(), at, each) for at, each in enumerate(_all) if not each.is_beating]
                left, _, first = min(waiting, default=(math.inf, 0, None))
                others = any(other < math.inf and each is not first for other, _, each in waiting)
                del waiting
                is_idle = left == math.inf or (rank > 1 and time.monotonic() - needed > _IDLE_SECONDS)
                if left + rank * LATE_SECONDS > 0 or first is None:
                    first = None  # what has been dropped must not live on meanwhile
                    if is_idle and not any(each.is_beating for each in _all):
                        self._ranks.discard(rank)
                        return
                    self.changed.wait(min(left + rank * LATE_SECONDS, _IDLE_SECONDS))
                    continue
                if others:
                    with contextlib.suppress(RuntimeError):  # no thread can be had: it is tried again
                        self.begin(rank + 1)
                first.is_beating = True
            try:
                first.beat_for_all()
            finally:
                with self.changed:
                    first.is_beating = False
            del first
            needed = time.monotonic()


_all: WeakSet[Heartbeat] = WeakSet()
_threads = _Threads()


def _forget_all() -> None:
    """Forgets what a forked process has not: the threads; and perhaps a lock that nobody opens."""
    global _threads  # noqa: PLW0603  # the one of this process
    _threads = _Threads()
    for each in list(_all):
        each._forget()


os.register_at_fork(after_in_child=_forget_all)

"""The relay: holds the lease or stands by, and works until it is told to stop."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from pymongo.errors import PyMongoError

from outbox import Outbox
from outbox.errors import HistoryLost, LeaseLost, LogReplaced, OutboxNotCreated
from outbox.lease import SECONDS, Lease
from outbox.wording import in_short
from relay.advice import Advice
from relay.cursor import role
from relay.dead_letters import OnPoison
from relay.driver import Driver
from relay.errors import CursorMismatch
from relay.job import Job, StartAt
from relay.sink import Sink
from relay.topics import Topics
from relay.work import Work

log = logging.getLogger("relay")

STANDBY_SECONDS = 1.0


class Relay:
    """Relays one outbox to one sink; exactly once when that is one of relay.transactions.Transactions.

    outbox: opened with no messages; this process sequences too, unless it has `sequence=False`.
    topics: the template for topics. name: the relay's name; its cursor and its lease are `relay:NAME`.
    start: where to begin when there is no cursor yet: "beginning" (seq 1; refused when that was rolled over), "oldest",
        "latest", a seq, or a date.
    on_poison: what to do with a message that can never be delivered: "stop" with PoisonMessage; "dead-letter": keep it
        in NAME.dead and go on; "park-key": and keep the later ones of its key too, until they are requeued.
    lease_seconds: after how long without a sign of life another relay of that name takes over.
    chance: floats in [0, 1) for the jitter of retries.

    Raises InvalidSettings when the template gives a name that Kafka would not take.
    """

    def __init__(
        self,
        outbox: Outbox,
        sink: Sink,
        *,
        topics: Topics = Topics("{type}"),  # noqa: B008  # immutable
        name: str = "kafka",
        start: StartAt = "beginning",
        on_poison: OnPoison = "stop",
        lease_seconds: float = SECONDS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._outbox = outbox
        self._job = Job(outbox, name, topics, start, on_poison, chance)
        self._work = Work(self._job, sink)
        self._lease_seconds = lease_seconds

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Relays until `stop` is set, then delivers what is in flight (10 s at most), saves, and gives the lease back.

        once: returns as soon as staging is empty and the cursor has reached the log's head.

        Blocks; one thread a Relay. Raises Unreachable and TopicMissing at the start, and later only what somebody must
        see to: PoisonMessage, LetterTaken, DeliveryRefused, TopicMissing, HistoryLost, LogReplaced, CursorMismatch,
        InvalidStart, OutboxNotCreated, and errors of the database that do not pass by themselves. Lost connections,
        elections, and a broker that is away are waited for.
        """
        types = self._outbox.types()
        if not types:
            name = self._outbox.collections.staging.full_name
            raise OutboxNotCreated(f"{name} has no message types: first run create(), or `outbox create APP`")
        self._work.check({self._job.topic(type) for type in types})
        failures = 0
        lease = Lease(self._outbox.collections.leases, role(self.name), seconds=self._lease_seconds)
        with self._outbox.running():
            while not stop.is_set():
                try:
                    if self._take(lease, stop, once):
                        return
                    failures = 0
                except (HistoryLost, LogReplaced, CursorMismatch, OutboxNotCreated) as lost:
                    lost.add_note(Advice(self._outbox, self.name).on_a_lost_place(lost))
                    raise
                except LeaseLost as lost:
                    log.warning("%s; what was in flight is given up, and this relay stands by", lost)
                except PyMongoError as error:
                    driver = Driver(f"{self.name!r} of {self._job.where}", stop, self._job.chance)
                    failures = driver.retry(error, failures)

    def _take(self, lease: Lease, stop: threading.Event, once: bool) -> bool:
        """One turn: relays if the lease can be had, else waits a moment. True: nothing is left to do."""
        if not lease.acquire():
            log.info("relay %r of %s: another holds the lease, this one stands by", self.name, self._job.where)
            while not lease.acquire():
                if stop.wait(STANDBY_SECONDS):
                    return True
                if once and self._work.is_drained():
                    return True
        try:
            self._work.run(lease, stop, once)
            return True
        finally:
            try:
                lease.release()
            except PyMongoError as error:  # it runs out by itself
                log.warning("relay %r: the lease could not be given back: %s", self.name, in_short(error))

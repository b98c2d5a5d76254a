"""The relay: holds the lease or stands by, and runs the pump until it is told to stop."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Literal

from pymongo.errors import PyMongoError

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.collections import call
from outbox.errors import HistoryLost, LeaseLost, OutboxNotCreated
from outbox.lease import SECONDS, Lease
from outbox.reader import LogReader
from outbox.start import Start
from outbox.transient import is_transient
from relay.backoff import delay
from relay.cursor import Cursors, position_at, role, verify
from relay.encoding import Encoder, Position
from relay.outcome import Failed, Idle, Moved, Poisoned, Unavailable, Unsaved, Waiting
from relay.pump import Pump
from relay.sink import Sink
from relay.topics import Topics

log = logging.getLogger("relay")

StartAt = Literal["beginning", "oldest", "latest"] | int | datetime
STANDBY_SECONDS = 1.0
DRAIN_SECONDS = 10.0


def _first_start(start: StartAt) -> Start:
    """The relay's words for a position, in the outbox's."""
    if start == "beginning":
        return 1
    return "earliest" if start == "oldest" else start


class Relay:
    """Relays one outbox to one sink.

    outbox: opened with no messages; this process sequences too, unless it has `sequence=False`.
    topics: the template for topics. name: the relay's name; its cursor and its lease are `relay:NAME`.
    start: where to begin when there is no cursor yet: "beginning" (seq 1; refused when that was rolled over), "oldest",
        "latest", a seq, or a date.
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
        lease_seconds: float = SECONDS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._outbox = outbox
        self._sink = sink
        self._topics = topics
        self._start = start
        self._lease_seconds = lease_seconds
        self._chance = chance
        self._clock = SystemClock()
        self._cursors = Cursors(outbox.collections.cursors, name)
        self._checked: set[str] = set()

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Relays until `stop` is set, then delivers what is in flight (10 s at most), saves, and gives the lease back.

        once: returns as soon as staging is empty and the cursor has reached the log's head.

        Blocks; one thread a Relay. Raises Unreachable and TopicMissing at the start, and later only what somebody must
        see to: PoisonMessage, DeliveryRefused, TopicMissing, HistoryLost, LogReplaced, CursorMismatch, InvalidStart,
        OutboxNotCreated, and errors of the database that do not pass by themselves. Lost connections, elections, and a
        broker that is away are waited for.
        """
        types = self._outbox.types()
        if not types:
            name = self._outbox.collections.staging.full_name
            raise OutboxNotCreated(f"{name} has no message types: first run create(), or `outbox create APP`")
        topics = {self._topic(type) for type in types}
        self._sink.check(topics)
        self._checked |= topics
        failures = 0
        lease = Lease(self._outbox.collections.leases, role(self.name), seconds=self._lease_seconds)
        with self._outbox.running():
            while not stop.is_set():
                try:
                    if self._take(lease, stop, once):
                        return
                    failures = 0
                except HistoryLost as lost:
                    lost.add_note(
                        f"To go on with what is left: relay cursor set {lost.oldest - 1}; or, if this relay has no "
                        f"cursor yet, relay run --start oldest"
                    )
                    raise
                except LeaseLost as lost:
                    log.warning("%s; what was in flight is given up, and this relay stands by", lost)
                except PyMongoError as error:
                    failures = self._retry(error, failures, stop)

    def _take(self, lease: Lease, stop: threading.Event, once: bool) -> bool:
        """One turn: relays if the lease can be had, else waits a moment. True: nothing is left to do."""
        if not lease.acquire():
            log.info("relay %r of %s: another holds the lease, this one stands by", self.name, self._where)
            while not lease.acquire():
                if stop.wait(STANDBY_SECONDS):
                    return True
                if once and self._drained(self._cursors.load()):
                    return True
        try:
            return self._relay(lease, stop, once)
        finally:
            try:
                lease.release()
            except PyMongoError as error:  # it runs out by itself
                log.warning("relay %r: the lease could not be given back: %s", self.name, error)

    def _relay(self, lease: Lease, stop: threading.Event, once: bool) -> bool:
        start, reader = self._resume(lease.fence)
        fence = lease.fence
        with (
            closing(reader),
            closing(
                Pump(
                    reader,
                    self._sink,
                    Encoder(self._checked_topic),
                    lease,
                    start=start,
                    save=lambda position: self._cursors.save(position, fence),
                    clock=self._clock,
                )
            ) as pump,
        ):
            log.info("relay %r of %s: relaying after seq %d (fence %d)", self.name, self._where, start[0], fence)
            self._loop(pump, stop, once)
            self._drain(pump)
        return True

    def _loop(self, pump: Pump, stop: threading.Event, once: bool) -> None:
        failures, position = 0, pump.position
        while not stop.is_set():
            outcome = pump.step()
            if pump.position is not position:
                failures, position = 0, pump.position
            match outcome:
                case Moved():
                    pass
                case Waiting():
                    pump.wait()
                case Idle(settled):
                    if settled:
                        failures = 0
                        if once and self._drained(position):
                            return
                    pump.rest()
                case Unavailable(error) | Unsaved(error):
                    failures = self._retry(error, failures, stop)
                case Failed(failed):
                    failures = self._retry(failed, failures, stop)
                    pump.rebuild()
                case Poisoned(_, poison):
                    raise poison

    def _retry(self, error: Exception, failures: int, stop: threading.Event) -> int:
        if isinstance(error, PyMongoError) and not is_transient(error):
            raise error
        seconds = delay(failures + 1, self._chance)
        log.warning("relay %r of %s: %s; again in %.1f s", self.name, self._where, error, seconds)
        stop.wait(seconds)
        return failures + 1

    def _drain(self, pump: Pump) -> None:
        if pump.pending:
            seconds = f"{DRAIN_SECONDS:g} s"
            log.info("relay %r: waiting up to %s for %d record(s) in flight", self.name, seconds, pump.pending)
        try:
            pump.drain(DRAIN_SECONDS)
        except (PyMongoError, LeaseLost) as error:
            log.warning("relay %r: delivered up to seq %d, but not saved: %s", self.name, pump.position[0], error)
        if pump.pending:
            log.warning(
                "relay %r: %d record(s) after seq %d were not acknowledged in time; the next start sends them again",
                self.name, pump.pending, pump.position[0],
            )  # fmt: skip
        else:
            log.info("relay %r of %s: stopped after seq %d", self.name, self._where, pump.position[0])

    def _resume(self, fence: int) -> tuple[Position, LogReader]:
        """The position to go on from, saved in any case before the first read, and a reader that stands after it."""
        cursor = self._cursors.load()
        if cursor is not None:
            verify(cursor, self._outbox.log, self.name)
            return cursor, self._outbox.reader(cursor[0] + 1)
        reader = self._outbox.reader(_first_start(self._start))
        cursor = position_at(reader.position - 1, self._outbox.log)
        self._cursors.register(cursor, fence)
        return cursor, reader

    def _drained(self, position: Position | None) -> bool:
        # Staging first: a message is in the log before it leaves staging, so an empty staging means that the head,
        # read after it, counts everything that was committed.
        try:
            with call():
                if self._outbox.collections.staging.find_one({}, {"_id": 1}) is not None:
                    return False
            return position is not None and position[0] >= self._outbox.log.head()
        except PyMongoError as error:
            if not is_transient(error):
                raise
            return False

    def _checked_topic(self, type: str) -> str:
        """The topic of a type; one that was not there at the start is checked now, on first use."""
        topic = self._topic(type)
        if topic not in self._checked:
            self._sink.check([topic])
            self._checked.add(topic)
        return topic

    def _topic(self, type: str) -> str:
        return self._topics.name(type, outbox=self._outbox.name, database=self._outbox.collections.database.name)

    @property
    def _where(self) -> str:
        return str(self._outbox.collections.log.full_name)

"""The relay: holds the lease or stands by, and runs the pump until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Literal

from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.collections import call
from outbox.errors import HistoryLost, LeaseLost, LogReplaced, OutboxNotCreated
from outbox.lease import SECONDS, Lease
from outbox.start import Start
from outbox.transient import is_transient
from outbox.wording import in_short
from relay.advice import Advice
from relay.ahead import ReadAhead
from relay.at_least_once import AtLeastOnce, Restart
from relay.cursor import Cursors, position_at, role
from relay.dead_letters import DeadLetters, OnPoison
from relay.driver import Driver
from relay.encoding import Encoder, Position, is_native
from relay.errors import CursorMismatch, DeliveryFailed
from relay.exactly_once import ExactlyOnce
from relay.intake import Parking, Reader
from relay.outcome import Poisoned
from relay.pump import Pump
from relay.released import Released
from relay.sink import Sink
from relay.topics import Topics
from relay.transactions import Transactions

log = logging.getLogger("relay")

StartAt = Literal["beginning", "oldest", "latest"] | int | datetime
STANDBY_SECONDS = 1.0
LOOK_SECONDS = 5.0
"""Between two looks for requeued dead letters."""
_AWAIT_SECONDS = 5.0  # a relay has nobody who waits for its threads to end


def _first_start(start: StartAt) -> Start:
    """The relay's words for a position, in the outbox's."""
    if start == "beginning":
        return 1
    return "earliest" if start == "oldest" else start


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
        self._sink = sink
        self._topics = topics
        self._start = start
        self._on_poison: OnPoison = on_poison
        self._lease_seconds = lease_seconds
        self._chance = chance
        self._clock = SystemClock()
        self._cursors = Cursors(outbox.collections.cursors, name, in_kafka=isinstance(sink, Transactions))
        self._advice = Advice(outbox, name)
        self._delivery = (
            ExactlyOnce(outbox, self._cursors, sink)
            if isinstance(sink, Transactions)
            else AtLeastOnce(outbox, self._cursors)
        )
        self._checked: set[str] = set()
        self._has_worked = False

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
        topics = {self._topic(type) for type in types}
        self._sink.check(topics)
        self._checked |= topics
        failures = 0
        lease = Lease(self._outbox.collections.leases, role(self.name), seconds=self._lease_seconds)
        with self._outbox.running(_AWAIT_SECONDS):
            while not stop.is_set():
                try:
                    if self._take(lease, stop, once):
                        return
                    failures = 0
                except (HistoryLost, LogReplaced, CursorMismatch, OutboxNotCreated) as lost:
                    lost.add_note(self._advice.on_a_lost_place(lost))
                    raise
                except LeaseLost as lost:
                    log.warning("%s; what was in flight is given up, and this relay stands by", lost)
                except PyMongoError as error:
                    failures = Driver(f"{self.name!r} of {self._where}", stop, self._chance).retry(error, failures)

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
            self._relay(lease, stop, once)
            return True
        finally:
            try:
                lease.release()
            except PyMongoError as error:  # it runs out by itself
                log.warning("relay %r: the lease could not be given back: %s", self.name, in_short(error))

    def _relay(self, lease: Lease, stop: threading.Event, once: bool) -> None:
        self._cursors.claim(lease.fence)
        letters = DeadLetters(self._outbox.collections, self._cursors, lease.fence, self._on_poison)
        driver = Driver(f"{self.name!r} of {self._where}", stop, self._chance)
        failures = 0
        while not stop.is_set() or not failures:
            try:
                self._send_released(letters, driver, lease, stop)
                if not self._follow(letters, driver, lease, once):
                    return
                failures = 0
            except DeliveryFailed as error:  # of taking over: a pump sees to its own
                failures = driver.retry(error, failures)

    def _follow(self, letters: DeadLetters, driver: Driver, lease: Lease, once: bool) -> bool:
        """Relays what comes in the log. True: only until somebody has requeued dead letters."""
        waiting, looked = False, self._clock.monotonic()

        def ended(position: Position, settled: bool) -> bool:
            nonlocal waiting, looked
            drained = once and settled and self._drained(position)
            now = self._clock.monotonic()
            if drained or now - looked >= LOOK_SECONDS:
                waiting, looked = letters.requeued(), now
            return waiting or drained

        def poisoned(outcome: Poisoned) -> None:
            if self._on_poison == "stop":
                outcome.error.add_note(self._advice.on_poison(outcome.error))
                raise outcome.error
            letters.bury(outcome.record, outcome.error)
            log.error("relay %r of %s: dead-lettered: %s", self.name, self._where, outcome.error.finding)

        began = self._clock.monotonic()
        start, reader = self._resume(lease, letters)
        pump = self._pump(reader, lease, start, letters, self._save(lease), self._delivery.restart(lease))
        with closing(reader), closing(pump):
            encoder = "compiled" if is_native() else "Python"
            log.info(
                "relay %r of %s: relaying after seq %d (fence %d, %s encoder)",
                self.name, self._where, start[0], lease.fence, encoder,
            )  # fmt: skip
            driver.run(pump, poisoned, ended)
            if not pump.pending:
                seconds, last = self._clock.monotonic() - began, pump.position[0]
                log.info("relay %r of %s: stopped after seq %d", self.name, self._where, last)
                if once:
                    sent = last - start[0] - letters.put_aside(start[0], last)
                    log.info("relay %r of %s: delivered %d message(s) in %.1f s", self.name, self._where, sent, seconds)
        return waiting

    def _send_released(self, letters: DeadLetters, driver: Driver, lease: Lease, stop: threading.Event) -> None:
        """Sends the dead letters that were requeued. Nothing of the log meanwhile: a parked key's come before it."""
        while not stop.is_set() and letters.requeued():
            if not self._delivery.rest(lease, letters) or not (records := letters.released()):
                return
            released = Released(letters, records)
            restart = self._delivery.restart_letters(lease, released)

            def poisoned(outcome: Poisoned, released: Released = released) -> None:
                released.put_back(outcome.record, outcome.error)
                log.error("relay %r of %s: refused again: %s", self.name, self._where, outcome.error.finding)

            with closing(self._pump(released, lease, released.start, released, released.save, restart)) as pump:
                log.info("relay %r of %s: sending %d requeued message(s)", self.name, self._where, len(records))
                driver.run(pump, poisoned, lambda _, settled: settled)

    def _pump(
        self,
        reader: Reader,
        lease: Lease,
        start: Position,
        parking: Parking,
        save: Callable[[Position], None],
        restart: Restart,
    ) -> Pump:
        encoder = Encoder(self._checked_topic)
        return Pump(
            reader, self._sink, encoder, lease,
            start=start, save=save, parking=parking, clock=self._clock, restart=restart,
        )  # fmt: skip

    def _save(self, lease: Lease) -> Callable[[Position], None]:
        fence = lease.fence
        return lambda position: self._cursors.save(position, fence)

    def _resume(self, lease: Lease, letters: DeadLetters) -> tuple[Position, ReadAhead]:
        """The position to go on from, saved in any case before the first read, and a reader that stands after it."""
        cursor = self._delivery.position(lease, letters)
        if cursor is None and self._has_worked:  # --start is for a relay that has delivered nothing yet
            raise CursorMismatch(
                f"the cursor of relay {self.name!r} was removed while the relay was running, with its log or alone"
            )
        reader = self._outbox.reader(_first_start(self._start) if cursor is None else cursor[0] + 1)
        with contextlib.ExitStack() as unless_all_is_well:
            unless_all_is_well.enter_context(closing(reader))
            if cursor is None:
                cursor = position_at(reader.position - 1, self._outbox.log)
                self._cursors.register(cursor, lease.fence)
            self._delivery.begin(cursor, lease)
            unless_all_is_well.pop_all()
            self._has_worked = True
            return cursor, ReadAhead(reader)

    def _drained(self, position: Position | None) -> bool:
        # Staging first: a message is in the log before it leaves staging, so an empty staging means that the head,
        # read after it, counts everything that was committed. A primary that was just elected may not know for a
        # moment what is committed: hence a read that has it make sure, and another that is no older.
        staging = self._outbox.collections.staging.with_options(read_concern=ReadConcern("linearizable"))
        try:
            with self._outbox.collections.client.start_session(causal_consistency=True) as session:
                with call():
                    if staging.find_one({}, {"_id": 1}, session=session) is not None:
                        return False
                return position is not None and position[0] >= self._outbox.log.head(session)
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

"""The work: relays while the lease is held, with every turn that it can take."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import closing

from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.mongo.calls import time_limit
from outbox.mongo.lease import Lease
from outbox.mongo.server_errors import is_closed, is_transient, short_message
from relay.dead_letters.requeued import RequeuedLetters
from relay.dead_letters.store import DeadLetterStore
from relay.delivery.at_least_once import AtLeastOnce, Restart
from relay.delivery.beginning import begun
from relay.delivery.config import RelayConfig
from relay.delivery.intake import BatchReader, Parking
from relay.delivery.outcome import Poisoned
from relay.delivery.ports import Sink, TransactionalSink
from relay.delivery.pump import Pump
from relay.delivery.pump_loop import PumpLoop
from relay.delivery.read_ahead import ReadAhead
from relay.encoding.encoder import Encoder, Position, is_native
from relay.errors import DeliveryFailed
from relay.kafka.exactly_once import ExactlyOnce
from relay.recovery import RecoveryHints
from relay.shares.cursor_admin import CursorStore
from relay.shares.share import ALL, Share, still_needed

log = logging.getLogger("relay")

LOOK_SECONDS = 5.0
"""Between two looks for requeued dead letters."""


class Worker:
    """Relays one share, or all there is, to one sink. Not thread-safe."""

    def __init__(self, job: RelayConfig, sink: Sink, share: Share = ALL) -> None:
        self._job = job
        self._label = f"{share.name(job.name)!r} of {job.where}"
        self._outbox = job.outbox
        self._sink = sink
        self._clock = SystemClock()
        self._share = share
        self._cursors, self._delivery = delivery_for(job, sink, share)
        if share.of > 1:  # the cursors of several shares are made before any of them works
            job.has_begun.set()

    def check(self, topics: Collection[str]) -> None:
        """See Sink.check. These need not be checked when their first records come."""
        self._sink.check(topics)
        self._job.checked.update(topics)

    def run(self, lease: Lease, driver: PumpLoop, once: bool) -> None:
        """Relays until the driver is stopped, or `lease` says that another number of shares is wanted, or with `once`
        all is delivered; then drains and saves. `lease` stays held.

        Raises what relay.relay.Relay.run names, and LeaseLost.
        """
        self._cursors.claim(lease.fence)
        letters = DeadLetterStore(self._outbox.collections, self._cursors, lease.fence, self._job.on_poison)
        while not (driver.stop.is_set() and driver.failing):
            try:
                self._relay_requeued(letters, driver, lease)
                if not self._relay_log(letters, driver, lease, once):
                    return
                driver.progressed()
            except DeliveryFailed as error:  # of taking over: a pump sees to its own
                driver.retry(error)

    def _relay_log(self, letters: DeadLetterStore, driver: PumpLoop, lease: Lease, once: bool) -> bool:
        """Relays what comes in the log. True: only until somebody has requeued dead letters."""
        waiting, looked = False, self._clock.monotonic()

        def ended(position: Position, settled: bool) -> bool:
            nonlocal waiting, looked
            if "wanted" in lease.found:
                return True
            drained = once and settled and is_drained(self._outbox, position)
            now = self._clock.monotonic()
            if drained or now - looked >= LOOK_SECONDS:
                waiting, looked = letters.requeued(), now
            return waiting or drained

        def poisoned(outcome: Poisoned) -> None:
            if self._job.on_poison == "stop":
                outcome.error.add_note(RecoveryHints(self._outbox, self._job.name).on_poison(outcome.error))
                raise outcome.error
            letters.add(outcome.record, outcome.error)
            log.warning("relay %s: dead-lettered: %s", self._label, outcome.error.finding)

        began = self._clock.monotonic()
        start, reader = self._resume(lease, letters)
        share = self._share._replace(delivered=still_needed(self._cursors.delivered, start[0]))
        letters.log = reader.identity
        encoder = Encoder(self._checked_topic, reader.identity)
        restart = self._delivery.restart(lease)
        pump = self._pump(reader, encoder, lease, start, letters, self._save(lease), restart, share)
        with closing(reader), closing(pump):
            kind = "compiled" if is_native() else "Python"
            log.info("relay %s: relaying after seq %d (fence %d, %s encoder)", self._label, start[0], lease.fence, kind)
            driver.run(pump, poisoned, ended)
            if not pump.pending:
                seconds, last = self._clock.monotonic() - began, pump.position[0]
                log.info("relay %s: stopped after seq %d", self._label, last)
                if once:
                    sent = last - start[0] - letters.count_between(start[0], last)
                    log.info("relay %s: delivered %d message(s) in %.1f s", self._label, sent, seconds)
        return waiting

    def _relay_requeued(self, letters: DeadLetterStore, driver: PumpLoop, lease: Lease) -> None:
        """Sends the dead letters that were requeued. Nothing of the log meanwhile: a parked key's come before it."""
        while not driver.stop.is_set() and letters.requeued():
            if not self._delivery.rest(lease, letters) or (found := letters.next_requeued(self._outbox.log)) is None:
                return
            released = RequeuedLetters(letters, found.records)
            encoder = Encoder(self._checked_topic, found.log)
            restart = self._delivery.restart_letters(lease, released)

            def poisoned(outcome: Poisoned, released: RequeuedLetters = released) -> None:
                released.put_back(outcome.record, outcome.error)
                log.warning("relay %s: refused again: %s", self._label, outcome.error.finding)

            start, save = released.start, released.save
            with closing(self._pump(released, encoder, lease, start, released, save, restart, ALL)) as pump:
                log.info("relay %s: sending %d requeued message(s)", self._label, len(found.records))
                driver.run(pump, poisoned, lambda _, settled: settled)

    def _pump(
        self,
        reader: BatchReader,
        encoder: Encoder,
        lease: Lease,
        start: Position,
        parking: Parking,
        save: Callable[[Position], None],
        restart: Restart,
        share: Share,
    ) -> Pump:
        return Pump(
            reader, self._sink, encoder, lease,
            start=start, save=save, parking=parking, clock=self._clock, restart=restart, share=share,
        )  # fmt: skip

    def _save(self, lease: Lease) -> Callable[[Position], None]:
        fence = lease.fence
        return lambda position: self._cursors.save(position, fence)

    def _resume(self, lease: Lease, letters: DeadLetterStore) -> tuple[Position, ReadAhead]:
        """The position to go on from, saved in any case before the first read, and a reader that stands after it."""
        cursor = self._delivery.position(lease, letters)
        if cursor is None:
            if self._job.has_begun.is_set():  # --start is for a relay that has delivered nothing yet
                raise self._job.removed()
            cursor = begun(self._job, lambda position: self._cursors.register(position, lease))
        reader = self._outbox.reader(cursor[0] + 1)
        with contextlib.ExitStack() as unless_all_is_well:
            unless_all_is_well.enter_context(closing(reader))
            self._delivery.begin(cursor, lease)
            unless_all_is_well.pop_all()
            self._job.has_begun.set()
            return cursor, ReadAhead(reader)

    def _checked_topic(self, type: str) -> str:
        """The topic of a type; one that was not there at the start is checked now, on first use."""
        topic = self._job.topic(type)
        if topic not in self._job.checked:
            self.check([topic])
        return topic


@contextlib.contextmanager
def given_back(lease: Lease, name: str) -> Iterator[None]:
    """Releases the lease at the end, whatever has happened; one that cannot be runs out by itself."""
    try:
        yield
    finally:
        try:
            lease.release()
        except PyMongoError as error:
            level = logging.INFO if is_closed(error) else logging.WARNING  # as where a driver ends
            log.log(level, "relay %r: the lease could not be given back: %s", name, short_message(error))


def delivery_for(job: RelayConfig, sink: Sink, share: Share) -> tuple[CursorStore, AtLeastOnce]:
    """The cursor of a share, and how it goes with its records to this sink."""
    cursors = CursorStore(job.outbox.collections.cursors, job.name, share, in_kafka=isinstance(sink, TransactionalSink))
    if isinstance(sink, TransactionalSink):
        return cursors, ExactlyOnce(job.outbox, cursors, sink)
    return cursors, AtLeastOnce(job.outbox, cursors)


def is_drained(outbox: Outbox, position: Position | None) -> bool:
    """Whether all that is committed is delivered, if a relay is at `position`. Raises errors that do not pass."""
    # Staging first: a message is in the log before it leaves staging, so an empty staging means that the head, read
    # after it, counts everything that was committed. A primary that was just elected may not know for a moment what is
    # committed: hence a read that has it make sure, and another that is no older.
    staging = outbox.collections.staging.with_options(read_concern=ReadConcern("linearizable"))
    try:
        with outbox.collections.client.start_session(causal_consistency=True) as session:
            with time_limit():
                if staging.find_one({}, {"_id": 1}, session=session) is not None:
                    return False
            return position is not None and position[0] >= outbox.log.head(session)
    except PyMongoError as error:
        if not is_transient(error):
            raise
        return False

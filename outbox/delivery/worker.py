"""Delivers one share of the log, or all of it, under a lease, and sends the dead letters that were requeued."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Generic

from pymongo.errors import PyMongoError

from outbox.clock import SystemClock
from outbox.dead_letters.requeued import RequeuedLetters
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.at_least_once import Restart
from outbox.delivery.config import DeliveryConfig
from outbox.delivery.outcome import Poisoned
from outbox.delivery.ports import BatchReader, Encoder, Item, Parking, Target, Wanted
from outbox.delivery.pump import Pump
from outbox.delivery.pump_loop import SHORT_SECONDS, PumpLoop
from outbox.delivery.read_ahead import ReadAhead
from outbox.delivery.retry import Retry
from outbox.errors import DeliveryFailed, LeaseLost, ReaderPaused
from outbox.events import Parked, Paused, Started
from outbox.log.position import Position
from outbox.log.reader_id import described, letters_command, resume_command
from outbox.mongo.lease import Lease
from outbox.monitoring.delivery_count import DeliveryCount
from outbox.monitoring.drained import is_drained
from outbox.shares.paused import PauseWatch
from outbox.shares.share import ALL, Share, still_needed
from outbox.threads.stop_watch import watching

LOOK_SECONDS = 5.0
"""The time between two looks for requeued dead letters; while paused, at whether it still is."""
_REST_SECONDS = 0.1


class Worker(Generic[Item]):
    """Delivers one share of a durable reader, or the whole log, to one target. Not thread-safe."""

    def __init__(self, config: DeliveryConfig[Item], target: Target[Item], share: Share = ALL) -> None:
        self._config = config
        self._log = config.log(share)
        self._outbox = config.outbox
        self._target = target
        self._clock = SystemClock()
        self._share = share
        self._delivery = config.delivery(target, share)
        self._cursors = self._delivery.cursors
        self._pause = PauseWatch(config.outbox.collections, self._cursors.group)

    def reached(self, lease: Lease) -> Position | None:
        """Takes over, so that nobody else delivers from here on, and returns how far was delivered; None before the
        first start. `lease` is held. Raises CursorMismatch, HistoryLost, LeaseLost, DeliveryFailed, DeliveryRefused."""
        return self._delivery.position(lease, self._letters(lease))

    def _letters(self, lease: Lease) -> DeadLetterStore:
        return DeadLetterStore(
            self._outbox.collections, self._cursors, lease.fence, self._config.on_poison, self._share
        )

    def work(self, lease: Lease, stop: threading.Event) -> None:
        """Runs until `stop` is set, with a new count of failures. See `run`."""
        self.run(
            lease,
            Retry(self._log, stop, self._config.chance, tell=self._config.told, retries=self._config.tally.retries),
            once=False,
        )

    def run(self, lease: Lease, retry: Retry, once: bool) -> None:
        """Delivers until the stop of `retry` is set, until the lease says that another number of shares is wanted, or,
        with `once`, until all is delivered; then drains and saves. `lease` stays held, also while the reader is paused.

        Raises what DurableReader.run names, and LeaseLost.
        """
        try:
            self._run(lease, retry, once)
        finally:
            self._delivery.end()

    def _run(self, lease: Lease, retry: Retry, once: bool) -> None:
        if self._share.total > 1:  # the cursors of several shares are made before any worker runs
            self._config.has_begun.set()
        self._cursors.claim(lease.fence)
        letters = self._letters(lease)
        while not (retry.stop.is_set() and retry.failing):
            try:
                if self._pause.is_on(lease):
                    if once:
                        raise paused(self._cursors.group, self._config.where)
                    if not self._stand_still(lease, retry):
                        return
                self._send_requeued(letters, retry, lease)
                if not self._deliver_log(letters, retry, lease, once):
                    return
                retry.progressed()
            except DeliveryFailed as error:  # of taking over; a pump handles its own
                retry.wait(error)

    def _stand_still(self, lease: Lease, retry: Retry) -> bool:
        """Keeps the lease until the reader is to go on: then True. False: the stop of `retry` is set, or another number
        of shares is wanted."""
        self._log.info("paused: it keeps its lease, and sends nothing until it is resumed")
        self._config.told(Paused())
        looked = self._clock.monotonic()
        while not retry.stop.is_set() and "wanted" not in lease.document:
            lease.check()
            try:
                if self._pause.has_changed(lease) or self._clock.monotonic() - looked >= LOOK_SECONDS:
                    if not self._pause.is_on(lease):
                        self._log.info("resumed")
                        return True
                    looked = self._clock.monotonic()
                retry.progressed()
            except PyMongoError as error:
                retry.wait(error)
            retry.stop.wait(_REST_SECONDS)
        return False

    def _deliver_log(self, letters: DeadLetterStore, retry: Retry, lease: Lease, once: bool) -> bool:
        """Delivers what comes in the log. True: it stopped only because somebody requeued dead letters, or paused."""
        if self._pause.has_changed(lease):
            return True
        waiting, looked = False, self._clock.monotonic()

        def ended(position: Position, settled: bool) -> bool:
            nonlocal waiting, looked
            if "wanted" in lease.document:
                return True
            if self._pause.has_changed(lease):
                waiting = True
                return True
            drained = once and settled and is_drained(self._outbox.collections, position)
            now = self._clock.monotonic()
            if drained or now - looked >= 0.9 * LOOK_SECONDS:  # due after a rest, which is a little shorter
                waiting, looked = letters.requeued(), now
                self._config.glance()
            return waiting or drained

        def poisoned(outcome: Poisoned) -> None:
            if self._config.on_poison == "stop":
                outcome.error.add_note(self._config.hint(outcome.error))
                raise outcome.error
            letters.add(outcome.record, outcome.error)
            mend = f". `{letters_command(self._config.reader, 'requeue', outcome.record.id)}` sends it again"
            self._log.warning("dead-lettered: %s%s", outcome.error.finding, mend, extra=_about(outcome))
            self._config.told(Parked(outcome.record))

        def is_to_look() -> bool:
            try:
                lease.check()
            except LeaseLost:
                return True
            return "wanted" in lease.document or self._pause.has_changed(lease)

        began = self._clock.monotonic()
        start, reader = self._resume(lease, letters)
        share = self._share._replace(delivered=still_needed(self._cursors.delivered, start[0]))
        share = self._config.share(share)
        letters.log = reader.identity
        encoder = self._config.encoder(self._target, reader.identity)
        restart, wanted = self._delivery.restart(lease), self._config.wanted
        pump = self._pump(reader, encoder, lease, start, letters, self._save(lease), restart, share, wanted)
        with closing(reader), closing(pump), watching(retry.stop.is_set, reader.wake, is_to_look):
            self._log.info(self._config.begins, start[0], lease.fence)
            self._config.told(Started())
            self._loop(retry).run(
                pump, poisoned, ended, SHORT_SECONDS if once else self._config.rest_seconds or LOOK_SECONDS
            )
            if not pump.pending:
                seconds, last = self._clock.monotonic() - began, pump.position[0]
                self._log.info("stopped after seq %d", last)
                if once:
                    sent = last - start[0] - letters.count_between(start[0], last)
                    self._log.info("delivered %d message(s) in %.1f s", sent, seconds)
        return waiting

    def _send_requeued(self, letters: DeadLetterStore, retry: Retry, lease: Lease) -> None:
        """Sends the dead letters that were requeued, and nothing of the log: they go before newer ones of a key."""
        while not retry.stop.is_set() and not self._pause.has_changed(lease) and letters.requeued():
            if not self._delivery.rest(lease, letters) or (batch := letters.next_requeued(self._outbox.log)) is None:
                return
            requeued = RequeuedLetters(letters, batch.records)
            encoder = self._config.encoder(self._target, batch.log)
            restart = self._delivery.restart_letters(lease, requeued)

            def poisoned(outcome: Poisoned, requeued: RequeuedLetters = requeued) -> None:
                requeued.put_back(outcome.record, outcome.error)
                self._log.warning("refused again: %s", outcome.error.finding, extra=_about(outcome))
                self._config.told(Parked(outcome.record))

            start, save = requeued.start, requeued.save
            with closing(self._pump(requeued, encoder, lease, start, requeued, save, restart, ALL, None)) as pump:
                self._log.info("sending %d requeued message(s)", len(batch.records))
                self._loop(retry).run(pump, poisoned, lambda _, settled: settled or self._pause.has_changed(lease))

    def _loop(self, retry: Retry) -> PumpLoop:
        return PumpLoop(retry, self._config.drain_seconds, self._config.told)

    def _pump(
        self,
        reader: BatchReader,
        encoder: Encoder[Item],
        lease: Lease,
        start: Position,
        parking: Parking,
        save: Callable[[Position], None],
        restart: Restart,
        share: Share,
        wanted: Wanted | None,
    ) -> Pump[Item]:
        return Pump(
            reader, self._target, encoder, lease,
            start=start, save=save, parking=parking, clock=self._clock, restart=restart, share=share, wanted=wanted,
            tell=self._config.told, count=self._counting(),
        )  # fmt: skip

    def _counting(self) -> DeliveryCount:
        config = self._config
        return DeliveryCount(config.tally, self._clock, config.destination, config.sending)

    def _save(self, lease: Lease) -> Callable[[Position], None]:
        fence = lease.fence
        return lambda position: self._delivery.save(position, fence)

    def _resume(self, lease: Lease, letters: DeadLetterStore) -> tuple[Position, ReadAhead]:
        """Finds the position to go on from, saves it before the first read, and opens a reader just after it."""
        cursor = self._delivery.position(lease, letters)
        if cursor is None:
            cursor = self._config.begin(lambda position: self._cursors.register(position, lease))
        reader = self._outbox.reader(cursor[0] + 1)
        with contextlib.ExitStack() as unless_all_is_well:
            unless_all_is_well.enter_context(closing(reader))
            self._delivery.begin(cursor, lease)
            unless_all_is_well.pop_all()
            self._config.has_begun.set()
            return cursor, ReadAhead(reader)


def _about(outcome: Poisoned) -> dict[str, object]:
    return {"seq": outcome.record.seq, "id": str(outcome.record.id)}


def paused(reader: str, where: str) -> ReaderPaused:
    """Makes the error of a run that was to deliver all, of a reader that is paused."""
    return ReaderPaused(
        f"{described(reader)} of {where} is paused, so not all is delivered: `{resume_command(reader)}` lets it go on"
    )

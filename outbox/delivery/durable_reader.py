"""Runs a durable reader: works on all of an outbox, or on some shares, or stands by, until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Generic

from pymongo.errors import PyMongoError

from outbox.clock import SystemClock
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.config import DeliveryConfig
from outbox.delivery.ports import Item, Target
from outbox.delivery.retry import Retry
from outbox.delivery.worker import Worker, paused
from outbox.errors import (
    CursorMismatch,
    DeliveryFailed,
    HistoryLost,
    LeaseLost,
    LogReplaced,
    OutboxClosed,
    OutboxError,
    OutboxNotCreated,
)
from outbox.events import Standby, Stopped, TookOver
from outbox.log.reader_id import described
from outbox.mongo.lease import SECONDS
from outbox.mongo.server_errors import is_closed
from outbox.monitoring.drained import is_drained
from outbox.shares import stopped
from outbox.shares.layout import ShareLayout, load, share_cursor
from outbox.shares.members import Members
from outbox.shares.resharing import Resharing
from outbox.shares.share import Share
from outbox.shares.share_workers import ShareWorkers
from outbox.threads.program_end import CLOSED_SECONDS, told_at_the_end

STANDBY_SECONDS = 1.0
LOST_SECONDS = 0.1
_AWAIT_SECONDS = 5.0  # a durable reader has nobody who waits for its threads to end
TEND_SECONDS = 0.1
"""Between two looks at the threads; the servers are not asked each time."""


class DurableReader(Generic[Item]):
    """Delivers an outbox to a target, from the reader's cursor on. Not thread-safe; only `run` is called, and once.

    shares: into how many the keys are divided, if the reader has no cursor yet; None: 1. Each share has a target like
        `target`. lease_seconds: after how long without a sign of life another process takes over, also the
        sequencing.
    """

    def __init__(
        self,
        config: DeliveryConfig[Item],
        target: Target[Item],
        *,
        shares: int | None = None,
        lease_seconds: float = SECONDS,
    ) -> None:
        self._config = config
        self._outbox = config.outbox
        self._target = target
        self._shares = shares
        self._log = config.log()
        self._lease = self._outbox.collections.lease(config.reader, seconds=lease_seconds)
        self._lease_seconds = lease_seconds

    def run(self, stop: threading.Event, *, once: bool = False, check: Callable[[], None] = lambda: None) -> None:
        """Works until `stop` is set, then drains, saves, and gives the leases back.

        The end of the program sets `stop`, too, and waits for all of that, 5 s at most.

        once: returns as soon as staging is empty and the cursor has reached the log's head. check: is called first.

        Blocks; one thread a reader, and with several shares one more for each that it works on. Raises what `check`
        does, and later only what somebody must see to: PoisonMessage, LetterTaken, DeliveryRefused, HistoryLost,
        LogReplaced, CursorMismatch, InvalidStart, OutboxNotCreated, errors of the database that do not pass by
        themselves, and with `once` ReaderPaused. Lost connections and elections are waited for. An error that nobody
        foresaw goes to the log output, whole, and the reader goes on from its cursor; with `once` it is raised.
        """
        collections, reader = self._outbox.collections, self._config.reader
        stopped.clear(collections, reader)
        try:
            check()
            self._run(stop, once)
        except Exception as error:
            stopped.note(collections, reader, error)
            raise
        finally:
            self._config.told(Stopped())

    def _run(self, stop: threading.Event, once: bool) -> None:
        config = self._config
        retry = Retry(self._log, stop, config.chance, tell=config.told, retries=config.tally.retries)
        with told_at_the_end(stop.set), self._outbox.running(_AWAIT_SECONDS, self._lease_seconds):
            while not stop.is_set():
                try:
                    if self._turn(retry, once):
                        return
                    retry.progressed()
                except (HistoryLost, LogReplaced, CursorMismatch, OutboxNotCreated) as lost:
                    lost.add_note(self._config.way_on(lost))
                    raise
                except LeaseLost as lost:
                    said = "%s; what was in flight is given up, and this %s stands by"
                    self._log.logger.warning(said, lost, self._config.kind, extra=self._log.fields)
                    stop.wait(LOST_SECONDS)
                except (PyMongoError, DeliveryFailed) as error:
                    if is_closed(error) and stop.wait(CLOSED_SECONDS):
                        return
                    retry.wait(error)
                except OutboxError as error:
                    if isinstance(error, OutboxClosed) and stop.wait(CLOSED_SECONDS):  # closed, and then stopped
                        return
                    raise
                except Exception as error:
                    if once:
                        raise
                    retry.wait(error)

    def _turn(self, retry: Retry, once: bool) -> bool:
        """Does what the number of shares asks for, until that changes. True: nothing is left to do."""
        layout = self._load()
        if layout.wanted is not None or (layout.shares is None and self._shares not in (None, 1)):
            self._reshare(retry.stop)
            return False
        if layout.total == 1:
            return self._alone(retry, once)
        return self._in_company(layout.total, retry, once)

    def _reshare(self, stop: threading.Event) -> None:
        resharing = Resharing(
            self._outbox.collections,
            self._config.reader,
            self._lease,
            work=lambda share: Worker(self._config, self._target, share),
            begin=self._config.begin,
        )
        try:
            resharing.run(self._shares or 1, stop, STANDBY_SECONDS)
        finally:
            self._target.close()

    def _load(self) -> ShareLayout:
        """Reads the layout. When it is first seen, it must have the number of shares that this reader was given."""
        layout = load(self._outbox.collections, self._config.reader)
        if layout.shares is not None and not self._config.has_begun.is_set():
            if self._shares not in (None, layout.shares, layout.wanted):
                raise self._config.other_shares(layout.shares, self._shares or 1)
            self._config.has_begun.set()
        return layout

    def _alone(self, retry: Retry, once: bool) -> bool:
        """Works on everything if the lease can be had, else stands by. True: nothing is left to do."""
        lease = self._lease
        if not lease.acquire():
            self._log.info("another holds the lease, this one stands by")
            self._config.told(Standby(lease.holder))
            while not lease.acquire():
                retry.progressed()
                if lease.wait(STANDBY_SECONDS, retry.stop):
                    return True
                if not self._config.has_begun.is_set():
                    self._load()
                if once and self._all_drained():
                    return True
        with lease.held(described(self._config.reader), self._log.logger):
            layout = self._load()
            if layout.wanted is not None or layout.total > 1:
                return False
            self._config.told(TookOver())
            Worker(self._config, self._target).run(lease, retry, once)
            return "wanted" not in lease.document

    def _in_company(self, count: int, retry: Retry, once: bool) -> bool:
        """Works on some of several shares. True: nothing is left to do; False: there is another number of them."""
        leases, owner = self._outbox.collections.leases, self._lease.owner
        clock = SystemClock()
        with (
            closing(Members(leases, self._config.reader, owner, self._lease_seconds, clock)) as members,
            closing(self._share_workers(count, owner, clock)) as workers,
        ):
            while not retry.stop.is_set():
                try:
                    if members.beat():
                        layout = self._load()
                        if layout.shares != count or layout.wanted is not None:
                            return False
                    workers.balance(members.quota(count), STANDBY_SECONDS)
                    if once and self._all_drained():
                        return True
                    retry.progressed()
                except PyMongoError as error:  # the threads see to their own
                    retry.wait(error)
                retry.stop.wait(TEND_SECONDS)
            return True

    def _share_workers(self, count: int, owner: str, clock: SystemClock) -> ShareWorkers:
        def work(share: Share) -> Worker[Item]:
            return Worker(self._config, self._target.another(), share)

        collections, seconds = self._outbox.collections, self._lease_seconds
        reader, where, tell = self._config.reader, self._config.where, self._config.told
        return ShareWorkers(
            collections, reader, where, count, work, owner=owner, seconds=seconds, clock=clock, tell=tell
        )

    def _all_drained(self) -> bool:
        layout, collections = self._load(), self._outbox.collections
        if layout.paused:  # whoever works, nothing more will be delivered
            raise paused(self._config.reader, self._config.where)
        cursors = share_cursor(collections.cursors, self._config.reader)
        letters = DeadLetterStore(collections, cursors, 0, self._config.on_poison)
        waits = None in layout.positions or letters.requeued()
        return not waits and is_drained(self._outbox.collections, layout.slowest)

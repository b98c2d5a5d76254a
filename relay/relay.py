"""The relay: works on all of an outbox, or on some of its shares, or stands by, until it is told to stop."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from contextlib import closing

from pymongo.errors import PyMongoError

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.dead_letters.store import DeadLetterStore, OnPoison
from outbox.delivery.drained import is_drained
from outbox.delivery.ports import Sink
from outbox.delivery.retry import Retry
from outbox.delivery.worker import Worker, paused
from outbox.errors import (
    CursorMismatch,
    DeliveryFailed,
    HistoryLost,
    LeaseLost,
    LogReplaced,
    OutboxError,
    OutboxNotCreated,
)
from outbox.mongo.lease import SECONDS, Lease
from outbox.mongo.server_errors import is_closed
from outbox.readers.start import StartAt
from outbox.shares import stopped
from outbox.shares.layout import ShareLayout, load, relay_id, share_cursor
from outbox.shares.members import Members
from outbox.shares.resharing import Resharing
from outbox.shares.share import Share
from outbox.shares.share_workers import ShareWorkers
from outbox.threads.program_end import CLOSED_SECONDS, told_at_the_end
from relay.config import RelayConfig
from relay.encoding.topics import Topics
from relay.errors import InvalidSettings
from relay.recovery import RecoveryHints

logger = logging.getLogger("relay")

STANDBY_SECONDS = 1.0
LOST_SECONDS = 0.1
_AWAIT_SECONDS = 5.0  # a relay has nobody who waits for its threads to end
TEND_SECONDS = 0.1
"""Between two looks at the threads; the servers are not asked each time."""


class Relay:
    """Relays an outbox to a sink; exactly once when that is one of outbox.delivery.ports.TransactionalSink.

    outbox: opened with no messages; this process sequences too, unless it has `sequence=False`.
    topics: the template for topics. name: the relay's name; its cursor and its lease are `relay:NAME`.
    start: where to begin when there is no cursor yet: "beginning" (seq 1; refused when that was rolled over), "oldest",
        "latest", a seq, or a date.
    on_poison: what to do with a message that can never be delivered: "stop" with PoisonMessage; "dead-letter": keep it
        in NAME.dead and go on; "park-key": and keep the later ones of its key too, until they are requeued.
    shares: into how many the keys are divided, so that as many processes can work at a time. It counts when there is no
        cursor yet (None: 1), and must be right later; `relay shares set` changes it. Each share has a sink like `sink`.
    lease_seconds: after how long without a sign of life another relay of that name takes over. At least 10 for exactly
        once: taking over a transaction may take 9 s, in which no lease is renewed.
    chance: floats in [0, 1) for the jitter of retries.

    Raises InvalidSettings when the template gives a name that Kafka would not take.
    """

    def __init__(
        self,
        outbox: Outbox,
        sink: Sink,
        *,
        topics: Topics = Topics(),  # noqa: B008  # immutable
        name: str = "kafka",
        start: StartAt = "beginning",
        on_poison: OnPoison = "stop",
        shares: int | None = None,
        lease_seconds: float = SECONDS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._outbox = outbox
        self._sink = sink
        self._shares = shares
        self._config = RelayConfig(outbox, name, start, on_poison, chance, topics)
        self._worker = Worker(self._config, sink)
        self._lease = Lease(outbox.collections.leases, relay_id(name), seconds=lease_seconds)
        self._lease_seconds = lease_seconds

    @property
    def where(self) -> str:
        """The outbox, for people."""
        return self._config.where

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Relays until `stop` is set, then delivers what is in flight (10 s at most), saves, and gives the leases back.

        The end of the program sets `stop`, too, and waits for all of that, 5 s at most.

        once: returns as soon as staging is empty and the cursor has reached the log's head.

        Blocks; one thread a Relay, and with several shares one more for each that it works on. Raises Unreachable and
        TopicMissing at the start, InvalidSettings when `shares` is not what the relay has, and later only what somebody
        must see to: PoisonMessage, LetterTaken, DeliveryRefused, TopicMissing, HistoryLost, LogReplaced,
        CursorMismatch, InvalidStart, OutboxNotCreated, errors of the database that do not pass by themselves, and with
        `once` ReaderPaused. Lost connections, elections, and a broker that is away are waited for. An error that nobody
        foresaw goes to the log output, whole, and the relay goes on from its cursor; with `once` it is raised.
        """
        stopped.clear(self._outbox.collections, self.name)
        try:
            self._check()
            self._relay(stop, once)
        except Exception as error:
            stopped.note(self._outbox.collections, self.name, error)
            raise

    def _check(self) -> None:
        types = self._outbox.types()
        if not types:
            name = self._outbox.collections.staging.full_name
            raise OutboxNotCreated(f"{name} has no message types: first run create(), or `outbox create APP`")
        self._config.check(self._sink, {self._config.topic(type) for type in types})

    def _relay(self, stop: threading.Event, once: bool) -> None:
        retry = Retry(f"{self.name!r} of {self._config.where}", stop, self._config.chance)
        with told_at_the_end(stop.set), self._outbox.running(_AWAIT_SECONDS):
            while not stop.is_set():
                try:
                    if self._turn(retry, once):
                        return
                    retry.progressed()
                except (HistoryLost, LogReplaced, CursorMismatch, OutboxNotCreated) as lost:
                    lost.add_note(RecoveryHints(self._outbox.collections, self.name).on_a_lost_place(lost))
                    raise
                except LeaseLost as lost:
                    logger.warning("%s; what was in flight is given up, and this relay stands by", lost)
                    stop.wait(LOST_SECONDS)
                except (PyMongoError, DeliveryFailed) as error:
                    if is_closed(error) and stop.wait(CLOSED_SECONDS):
                        return
                    retry.wait(error)
                except OutboxError:
                    raise
                except Exception as error:
                    if once:
                        raise
                    retry.wait(error)

    def _turn(self, retry: Retry, once: bool) -> bool:
        """What the number of shares asks for, until that changes. True: nothing is left to do."""
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
            self.name,
            self._lease,
            work=lambda share: Worker(self._config, self._sink, share),
            begin=self._config.begin,
        )
        try:
            resharing.run(self._shares or 1, stop, STANDBY_SECONDS)
        finally:
            self._sink.close()

    def _load(self) -> ShareLayout:
        """The layout. When it is first seen, it must have the number of shares that this relay was started with."""
        layout = load(self._outbox.collections, relay_id(self.name))
        if layout.shares is not None and not self._config.has_begun.is_set():
            if self._shares not in (None, layout.shares, layout.wanted):
                raise InvalidSettings(
                    f"relay {self.name!r} has {layout.shares} share(s), not {self._shares}. Start it without --shares; "
                    f"`relay shares set {self._shares}` changes the number"
                )
            self._config.has_begun.set()
        return layout

    def _alone(self, retry: Retry, once: bool) -> bool:
        """Relays everything if the lease can be had, else stands by. True: nothing is left to do."""
        lease, where = self._lease, self._config.where
        if not lease.acquire():
            logger.info("relay %r of %s: another holds the lease, this one stands by", self.name, where)
            while not lease.acquire():
                retry.progressed()
                if retry.stop.wait(STANDBY_SECONDS):
                    return True
                if not self._config.has_begun.is_set():
                    self._load()
                if once and self._all_drained():
                    return True
        with lease.held(f"relay {self.name!r}", logger):
            layout = self._load()
            if layout.wanted is not None or layout.total > 1:
                return False
            self._worker.run(lease, retry, once)
            return "wanted" not in lease.document

    def _in_company(self, count: int, retry: Retry, once: bool) -> bool:
        """Relays some of several shares. True: nothing is left to do; False: there is another number of them by now."""
        leases, owner = self._outbox.collections.leases, self._lease.owner
        clock = SystemClock()
        with (
            closing(Members(leases, relay_id(self.name), owner, self._lease_seconds, clock)) as members,
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
        def work(share: Share) -> Worker:
            return Worker(self._config, self._sink.another(), share)

        leases, seconds = self._outbox.collections.leases, self._lease_seconds
        return ShareWorkers(
            leases, self.name, self._config.where, count, work, owner=owner, seconds=seconds, clock=clock
        )

    def _all_drained(self) -> bool:
        layout, collections = self._load(), self._outbox.collections
        if layout.paused:  # whoever works, nothing more will be delivered
            raise paused(relay_id(self.name), self._config.where)
        cursors = share_cursor(collections.cursors, self.name)
        letters = DeadLetterStore(collections, cursors, 0, self._config.on_poison)
        waits = None in layout.positions or letters.requeued()
        return not waits and is_drained(self._outbox, layout.slowest)

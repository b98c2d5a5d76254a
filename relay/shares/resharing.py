"""Resharing: gives a relay its first number of shares, or another one, so that nothing is lost or sent twice."""

from __future__ import annotations

import logging
import threading

from outbox.errors import LeaseLost
from outbox.mongo.lease import Lease
from relay.dead_letters.store import DeadLetterStore
from relay.delivery.beginning import begun
from relay.delivery.config import RelayConfig
from relay.delivery.ports import Sink
from relay.delivery.worker import delivery_for
from relay.encoding.encoder import Position
from relay.errors import CursorMismatch, DeliveryFailed
from relay.shares.layout import cancel_request
from relay.shares.lock import RelayLock
from relay.shares.share import shares, still_needed

log = logging.getLogger("relay")


class Resharing:
    """One attempt after another at the same change; any process of the relay may make them. Not thread-safe.

    Whoever works gives up its share when it sees that another number is wanted. With all leases in one hand, under
    higher fences, nobody can move a cursor, so it is known for good where each share stands. Then one transaction
    writes the new cursors and the new number: a crash before it has changed nothing, after it nothing is left to do.
    """

    def __init__(self, job: RelayConfig, sink: Sink, home: Lease) -> None:
        """home: see Ensemble."""
        self._job = job
        self._sink = sink
        self._home = home

    def run(self, first: int, stop: threading.Event, standby: float) -> None:
        """Carries out what is wanted; with no cursor yet, begins with `first` shares. Returns also when another does
        it, or `stop` is set.

        Raises LeaseLost and pymongo's errors, after which it can be run again; DeliveryFailed likewise. What somebody
        must see to: CursorMismatch, HistoryLost, InvalidStart, DeliveryRefused.
        """
        ensemble = RelayLock(self._job.outbox, self._job.name, self._home)
        try:
            plan = ensemble.begin()
            if plan is None:
                stop.wait(standby)
                return
            target = first if plan.target is None else plan.target
            if target == plan.shares:
                cancel_request(self._job.outbox.collections, self._job.name, plan)
                return
            while (missing := ensemble.take(plan, target)) is not None:
                log.info("relay %r: waiting for the lease %r, to have %d share(s)", self._job.name, missing, target)
                if stop.wait(standby):
                    return
            self._change(ensemble, target)
        finally:
            self._sink.close()
            ensemble.release()

    def _change(self, ensemble: RelayLock, target: int) -> None:
        plan = ensemble.claim()
        if plan.fault is not None:
            raise plan.fault
        if plan.target not in (None, target):
            raise LeaseLost(f"another number of shares of relay {self._job.name!r} is wanted by now, or there is")
        reached = self._reached(ensemble, target if plan.shares is None else plan.shares)
        if reached is None:
            if self._job.has_begun.is_set():
                raise self._job.removed()
            low = begun(self._job, lambda position: ensemble.write(target, position, ()))
        else:
            low = min(reached, key=lambda position: position[0])
            layers = still_needed([tuple(seq for seq, _, _ in reached), *plan.delivered], low[0])
            ensemble.write(target, low, layers)
        log.info("relay %r of %s: %d share(s), from seq %d on", self._job.name, self._job.where, target, low[0] + 1)

    def _reached(self, ensemble: RelayLock, count: int) -> list[Position] | None:
        """Where each share stands; None before the first start. Raises DeliveryFailed when Kafka did not tell of all.

        All shares are asked all the same: what a process that died has left open in the topic of the cursors keeps
        those of all shares from being read, until it is the turn of the share that it is of, which ends it.
        """
        found: list[Position | None] = []
        failed: list[DeliveryFailed] = []
        for share in shares(count):
            cursors, its = delivery_for(self._job, self._sink, share)
            lease = ensemble.lease(cursors.reader)
            letters = DeadLetterStore(self._job.outbox.collections, cursors, lease.fence, self._job.on_poison)
            try:
                found.append(its.position(lease, letters))
            except DeliveryFailed as error:
                failed.append(error)
            ensemble.renew()  # for this may have taken seconds
        if failed:
            raise failed[0]
        reached = [each for each in found if each is not None]
        if not reached:
            return None
        if len(reached) < count:
            raise CursorMismatch(f"the cursor of share {found.index(None) + 1} of relay {self._job.name!r} was removed")
        return reached

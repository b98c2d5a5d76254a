"""Resharing: gives a durable reader its first number of shares, or another, so that nothing is lost or sent twice."""

from __future__ import annotations

import threading
from collections.abc import Callable

from outbox.errors import CursorMismatch, DeliveryFailed, LeaseLost
from outbox.log.position import Position
from outbox.log.reader_id import described
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.shares.layout import cancel_request
from outbox.shares.lock import ReaderLock
from outbox.shares.reader_logger import ReaderLogger
from outbox.shares.share import Share, shares, still_needed
from outbox.shares.share_workers import ShareWork


class Resharing:
    """One attempt after another at the same change; any process of the reader may make them. Not thread-safe.

    Whoever works gives up its share when it sees that another number is wanted. With all leases in one hand, under
    higher fences, nobody can move a cursor, so it is known for good where each share stands. Then one transaction
    writes the new cursors and the new number: a crash before it has changed nothing, after it nothing is left to do.
    """

    def __init__(
        self,
        collections: Collections,
        reader: str,
        own_lease: Lease,
        *,
        work: Callable[[Share], ShareWork],
        begin: Callable[[Callable[[Position], None]], Position],
    ) -> None:
        """work: makes the work on one share. begin: chooses where to begin and has its argument write that, see
        outbox.delivery.config. reader: its id. own_lease: see ReaderLock."""
        self._collections = collections
        self._reader = reader
        self._own_lease = own_lease
        self._log = ReaderLogger(reader, collections.log.full_name)
        self._work = work
        self._begin = begin

    def run(self, first: int, stop: threading.Event, standby: float) -> None:
        """Carries out what is wanted; with no cursor yet, begins with `first` shares. Returns also when another does
        it, or `stop` is set.

        Raises LeaseLost and pymongo's errors, after which it can be run again; DeliveryFailed likewise. What somebody
        must see to: CursorMismatch, HistoryLost, InvalidStart, DeliveryRefused.
        """
        reader_lock = ReaderLock(self._collections, self._reader, self._own_lease)
        try:
            layout = reader_lock.lock()
            if layout is None:
                stop.wait(standby)
                return
            target = first if layout.target is None else layout.target
            if target == layout.shares:
                cancel_request(self._collections, self._reader, layout)
                return
            while (missing := reader_lock.lock_shares(layout, target)) is not None:
                self._log.info("waiting for the lease %r, to have %d share(s)", missing, target)
                if stop.wait(standby):
                    return
            self._change(reader_lock, target)
        finally:
            reader_lock.release()

    def _change(self, reader_lock: ReaderLock, target: int) -> None:
        layout = reader_lock.claim()
        if layout.fault is not None:
            raise layout.fault
        if layout.target not in (None, target):
            raise LeaseLost(f"another number of shares of {described(self._reader)} is wanted by now, or there is")
        reached = self._reached(reader_lock, target if layout.shares is None else layout.shares)
        if reached is None:
            low = self._begin(lambda position: reader_lock.write(target, position, ()))
        else:
            low = min(reached, key=lambda position: position[0])
            layers = still_needed([tuple(seq for seq, _, _ in reached), *layout.delivered], low[0])
            reader_lock.write(target, low, layers)
        self._log.info("%d share(s), from seq %d on", target, low[0] + 1)

    def _reached(self, reader_lock: ReaderLock, count: int) -> list[Position] | None:
        """Where each share stands; None before the first start. Raises DeliveryFailed when Kafka did not tell of all.

        All shares are asked all the same: what a process that died has left open in the topic of the cursors keeps
        those of all shares from being read, until it is the turn of the share that it is of, which ends it.
        """
        found: list[Position | None] = []
        failed: list[DeliveryFailed] = []
        for share in shares(count):
            try:
                found.append(self._work(share).reached(reader_lock.lease(share.name(self._reader))))
            except DeliveryFailed as error:
                failed.append(error)
            reader_lock.check()  # for this may have taken seconds
        if failed:
            raise failed[0]
        reached = [each for each in found if each is not None]
        if not reached:
            return None
        if len(reached) < count:
            raise CursorMismatch(
                f"the cursor of share {found.index(None) + 1} of {described(self._reader)} was removed"
            )
        return reached

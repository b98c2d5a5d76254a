"""The crew: the shares that this process works on, a thread each."""

from __future__ import annotations

import logging
import threading

from pymongo.errors import PyMongoError

from outbox.clock import Clock
from outbox.errors import LeaseLost
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.lease import Lease
from outbox.mongo.server_errors import is_transient, short_message
from relay.delivery.config import RelayConfig
from relay.delivery.ports import Sink
from relay.delivery.pump_loop import PumpLoop
from relay.delivery.worker import Worker, given_back
from relay.shares.layout import relay_id
from relay.shares.share import Share, shares

log = logging.getLogger("relay")


class ShareWorker:
    """One share: its lease, and the thread that works on it while this process holds that."""

    def __init__(self, job: RelayConfig, sink: Sink, share: Share, lease: Lease) -> None:
        self.share = share
        self.lease = lease
        self._name = share.name(job.name)
        self._where = job.where
        self._chance = job.chance
        self._work = Worker(job, sink, share)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def is_busy(self) -> bool:
        """Whether it has begun, and has not been found ended."""
        return self._thread is not None

    def begin(self) -> None:
        """Works until it is stopped. The lease is held, and is given back at the end."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"relay-{self._name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        driver = PumpLoop(f"{self._name!r} of {self._where}", self._stop, self._chance)
        try:
            with given_back(self.lease, self._name):
                self._work.run(self.lease, driver, once=False)
        except BaseException as error:  # noqa: BLE001  # raised again on the thread that looks after it
            self._error = error

    def stop(self) -> None:
        """Tells it to drain, save, and give the lease back."""
        self._stop.set()

    def end(self, *, wait: bool = False) -> None:
        """Notices that it has ended. Raises what somebody must see to; the rest is logged, and it can begin again."""
        if self._thread is None or (not wait and self._thread.is_alive()):
            return
        while self._thread.is_alive():
            self._thread.join(0.2)  # so that signals are heard
        self._thread = None
        error, self._error = self._error, None
        match error:
            case None:
                pass
            case LeaseLost():
                log.warning("%s; what was in flight is given up", error)
            case PyMongoError() if is_transient(error):
                log.warning("relay %r of %s: %s; it is begun again", self._name, self._where, short_message(error))
            case _:
                raise error


class ShareWorkers:
    """Works on shares of a relay that has `count` of them. To be used from one thread; close it."""

    def __init__(self, job: RelayConfig, sink: Sink, count: int, owner: str, seconds: float, clock: Clock) -> None:
        self._leases = job.outbox.collections.leases
        self._clock = clock
        self._looked = float("-inf")
        self._seconds = seconds
        self._hands: dict[str, ShareWorker] = {}
        for share in shares(count):
            lease = Lease(self._leases, relay_id(share.name(job.name)), owner=owner, seconds=seconds, clock=clock)
            self._hands[lease.role] = ShareWorker(job, sink.another(), share, lease)

    def balance(self, quota: int, standby: float) -> None:
        """Sees to it that this process works on `quota` shares, if there are as many to be had: at once, gives up what
        is too much; every `standby` seconds, tries for what is missing.

        Raises what a thread has raised, and pymongo's errors.
        """
        for hand in self._hands.values():
            hand.end()
        busy = [hand for hand in self._hands.values() if hand.is_busy]
        for hand in busy[quota:]:
            hand.stop()
        now = self._clock.monotonic()
        # Also while it has enough: an orphan that was seen standing still can be taken as soon as it may be.
        if now - self._looked >= (standby if len(busy) < quota else self._seconds / 3):
            self._looked = now
            for hand in self._free()[: max(0, quota - len(busy))]:
                if hand.lease.acquire():
                    hand.begin()

    @outside_bound_session
    def _free(self) -> list[ShareWorker]:
        """Those that nobody works on, as far as can be seen."""
        with time_limit():
            found = {each["_id"]: each for each in self._leases.find({"_id": {"$in": list(self._hands)}})}
        idle = {role: hand for role, hand in self._hands.items() if not hand.is_busy}
        return [hand for role, hand in idle.items() if role not in found or hand.lease.observe(found[role])]

    def close(self) -> None:
        """Ends all work: drains, saves, and gives the leases back. Raises the first error of a thread at the end."""
        errors: list[BaseException] = []
        for hand in self._hands.values():
            hand.stop()
        for hand in self._hands.values():
            try:
                hand.end(wait=True)
            except BaseException as error:  # noqa: BLE001  # raised below
                errors.append(error)
        if errors:
            raise errors[0]

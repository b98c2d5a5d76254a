"""The shares that this process works on, a thread each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from pymongo.errors import PyMongoError

from outbox.clock import Clock
from outbox.errors import LeaseLost
from outbox.events import OnEvent, Standby, TookOver
from outbox.log.position import Position
from outbox.log.reader_id import described
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.mongo.server_errors import is_transient, short_message
from outbox.shares.reader_logger import ReaderLogger
from outbox.shares.share import Share, shares


class ShareWork(Protocol):
    """The work on one share; outbox.delivery.worker.Worker does it."""

    def work(self, lease: Lease, stop: threading.Event) -> None:
        """Works until `stop` is set, or another number of shares is wanted. The lease is held, and stays held."""

    def reached(self, lease: Lease) -> Position | None:
        """Tells how far the share was delivered, under `lease`; None before the first start."""


class ShareWorker:
    """One share: its lease, and the thread that works on it while this process holds that."""

    def __init__(self, where: str, lease: Lease, work: ShareWork) -> None:
        self.lease = lease
        self._log = ReaderLogger(lease.role, where)
        self._work = work
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
        self._thread = threading.Thread(target=self._run, name=self.lease.role.replace(":", "-"), daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self.lease.held(described(self.lease.role), self._log.logger):
                self._work.work(self.lease, self._stop)
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
                self._log.logger.warning("%s; what was in flight is given up", error, extra=self._log.fields)
            case PyMongoError() if is_transient(error):
                self._log.warning("%s; it is begun again", short_message(error))
            case _:
                raise error


class ShareWorkers:
    """Works on shares of a durable reader that has `count` of them. To be used from one thread; close it.

    reader: its id. where: its outbox, for people. work: makes the work on one share, with a target of its own.
    tell: is told of each share that it takes over, and when it works on none because others do.
    """

    def __init__(
        self,
        collections: Collections,
        reader: str,
        where: str,
        count: int,
        work: Callable[[Share], ShareWork],
        *,
        owner: str,
        seconds: float,
        clock: Clock,
        tell: OnEvent,
    ) -> None:
        self._leases = collections.leases
        self._clock = clock
        self._looked = float("-inf")
        self._seconds = seconds
        self._owner = owner
        self._tell = tell
        self._stands_by = False
        self._workers: dict[str, ShareWorker] = {}
        for share in shares(count):
            lease = collections.lease(share.name(reader), owner=owner, seconds=seconds)
            self._workers[lease.role] = ShareWorker(where, lease, work(share))

    def balance(self, quota: int, standby: float) -> None:
        """Starts and stops share workers until this process runs `quota` of them.

        Surplus workers are told to stop at once; missing ones are tried for every `standby` seconds.

        Raises what a thread has raised, and pymongo's errors.
        """
        for worker in self._workers.values():
            worker.end()
        busy = [worker for worker in self._workers.values() if worker.is_busy]
        for worker in busy[quota:]:
            worker.stop()
        now = self._clock.monotonic()
        # Also while it has enough: an orphan that was seen standing still can be taken as soon as it may be.
        if now - self._looked >= (standby if len(busy) < quota else self._seconds / 3):
            self._looked = now
            found = self._found()
            for worker in self._free(found)[: max(0, quota - len(busy))]:
                if worker.lease.acquire():
                    self._tell(TookOver())
                    worker.begin()
            self._tell_of_standby(found)

    @outside_bound_session
    def _found(self) -> dict[str, Document]:
        with time_limit():
            return {each["_id"]: each for each in self._leases.find({"_id": {"$in": list(self._workers)}})}

    def _tell_of_standby(self, found: dict[str, Document]) -> None:
        stands_by = not any(worker.is_busy for worker in self._workers.values())
        if stands_by and not self._stands_by:
            others = (each["owner"] for each in found.values() if each["owner"] not in (None, self._owner))
            self._tell(Standby(next(others, None)))
        self._stands_by = stands_by

    def _free(self, found: dict[str, Document]) -> list[ShareWorker]:
        """Those that nobody works on, as far as can be seen."""
        idle = {role: worker for role, worker in self._workers.items() if not worker.is_busy}
        return [worker for role, worker in idle.items() if role not in found or worker.lease.observe(found[role])]

    def close(self) -> None:
        """Ends all work: drains, saves, and gives the leases back. Raises the first error of a thread at the end."""
        errors: list[BaseException] = []
        for worker in self._workers.values():
            worker.stop()
        for worker in self._workers.values():
            try:
                worker.end(wait=True)
            except BaseException as error:  # noqa: BLE001  # raised below
                errors.append(error)
        if errors:
            raise errors[0]

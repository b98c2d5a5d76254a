"""Locks create(): one process at a time changes the collections of an outbox."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from outbox.clock import SystemClock
from outbox.errors import IncompatibleOutbox
from outbox.mongo.lease import Lease

PATIENCE_SECONDS = 60.0


class SchemaLock:
    """Lets the holder of the lock keep it, and wait for what is in the way."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._until = time.monotonic() + PATIENCE_SECONDS

    def pause(self, seconds: float, why: str) -> None:
        """Waits before the next try. Raises IncompatibleOutbox once PATIENCE_SECONDS are over."""
        if time.monotonic() > self._until:
            raise IncompatibleOutbox(
                f"gave up after {PATIENCE_SECONDS:.0f} s: {why}. Nothing is half done; try again later"
            )
        SystemClock().wait(seconds)

    def check(self) -> None:
        """Raises LeaseLost when another process may have the lease. No I/O."""
        self._lease.check()


@contextmanager
def lock_schema(lease: Lease) -> Iterator[SchemaLock]:
    """Holds the `schema` lease inside the `with`: two deploys at once must not lose each other's types.

    It waits for another holder. This wait and those of `pause` take PATIENCE_SECONDS together at most; then it raises
    IncompatibleOutbox. Raises pymongo's errors.
    """
    lock = SchemaLock(lease)
    while not lease.acquire():
        lock.pause(0.05, "another create() holds the schema lease")
    with lease.held("create()"):
        yield lock

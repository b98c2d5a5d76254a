"""The lock of create(): one process at a time changes the collections of an outbox."""

from __future__ import annotations

import threading
import time

from outbox.errors import IncompatibleOutbox
from outbox.mongo.lease import Lease

PATIENCE_SECONDS = 60.0


class SchemaLock:
    """Holds the `schema` lease inside a `with`, so that two deploys at once cannot lose each other's types.

    It waits for the lease; that wait, and all that `pause` waits, take PATIENCE_SECONDS together at most.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._until = time.monotonic() + PATIENCE_SECONDS
        self._never = threading.Event()

    def __enter__(self) -> SchemaLock:
        while not self._lease.acquire():
            self.pause(0.05, "another create() holds the schema lease")
        return self

    def pause(self, seconds: float, why: str) -> None:
        """Waits before the next try. Raises IncompatibleOutbox once PATIENCE_SECONDS are over."""
        if time.monotonic() > self._until:
            raise IncompatibleOutbox(
                f"gave up after {PATIENCE_SECONDS:.0f} s: {why}. Nothing is half done; try again later"
            )
        self._never.wait(seconds)

    def renew(self) -> None:
        """Keeps the lease. Raises LeaseLost, and pymongo's errors."""
        self._lease.renew_if_due()

    def __exit__(self, *_: object) -> None:
        self._lease.release()

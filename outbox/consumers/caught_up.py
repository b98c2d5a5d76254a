"""Waits until a durable reader has passed all that was committed when the wait began."""

from __future__ import annotations

from typing import Any

import pymongo
from pymongo.read_concern import ReadConcern

from outbox.arguments import check_timeout
from outbox.clock import Clock
from outbox.errors import WaitTimeout
from outbox.location import has_come
from outbox.log.log import Log
from outbox.mongo.calls import time_limit
from outbox.mongo.collections import Collections
from outbox.shares.layout import survey


class CaughtUpWait:
    """One wait. reader: its id. Not thread-safe."""

    def __init__(self, collections: Collections, reader: str, clock: Clock) -> None:
        self._collections = collections
        self._reader = reader
        self._clock = clock
        # A primary that was just elected may not know for a moment what is committed.
        self._staging = collections.staging.with_options(read_concern=ReadConcern("linearizable"))
        self._newest: Any = None
        self._looked = False
        self._head: int | None = None

    def run(self, timeout: float) -> None:
        """Raises InvalidArgument, WaitTimeout after `timeout` seconds, and pymongo's errors that do not pass."""
        check_timeout(timeout)
        if not has_come(self.is_there, timeout, self._clock):
            raise self.timed_out(timeout)

    def timed_out(self, timeout: float) -> WaitTimeout:
        """Makes the error that says how far the reader is. Raises pymongo's errors."""
        return WaitTimeout(f"{self._reader} has not caught up within {timeout:g} s: {self._stands()}")

    def is_there(self) -> bool:
        """Tells whether it has caught up. Raises pymongo's errors."""
        if self._head is None and self._all_numbered():
            self._head = Log(self._collections).head()
        position = self._position()
        return self._head is not None and position is not None and position >= self._head

    def _all_numbered(self) -> bool:
        """Tells whether what staging held at the first look is in the log by now."""
        with time_limit():
            if not self._looked:
                self._newest = self._staging.find_one({}, {"at": 1}, sort=[("at", pymongo.DESCENDING)])
                self._looked = True
            if self._newest is None:
                return True
            return self._staging.find_one({"at": {"$lte": self._newest["at"]}}, {"_id": 1}) is None

    def _position(self) -> int | None:
        layout = survey(self._collections, self._reader)
        if not layout.positions or None in layout.positions or layout.slowest is None:
            return None
        return layout.slowest[0]

    def _stands(self) -> str:
        position = self._position()
        at = "it has not begun" if position is None else f"it is at seq {position}"
        if self._head is None:
            return f"{at}, and messages wait in staging for their numbers"
        return f"{at}, and was to reach {self._head}"

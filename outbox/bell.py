"""The bell: a change stream on staging's inserts, only ever a hint that a sweep would find something."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from bson import Timestamp
from pymongo.change_stream import CollectionChangeStream
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from outbox.collections import Document, call
from outbox.wording import in_short

logger = logging.getLogger("outbox")

AWAIT_MS = 200  # a getMore cannot be interrupted, so this is how long stopping may take
_BEHIND = 1000


class Bell:
    """Rings when a message is committed to staging. Not thread-safe. Losing it costs a second, never a message."""

    def __init__(self, staging: Collection[Document]) -> None:
        self._staging = staging
        self._stream: CollectionChangeStream[Any] | None = None

    def wait(self, swept: Timestamp, seconds: float, stop: threading.Event) -> None:
        """Returns when something was put after `swept`, when `stop` is set (within 0.2 s), or after `seconds`."""
        until = time.monotonic() + seconds
        try:
            while not stop.is_set() and time.monotonic() < until:
                with call():  # a frozen primary must not hold up the sweeps for longer than any other call
                    if self._rings(swept):
                        return
        except PyMongoError as error:
            logger.warning(
                "the change stream on %s failed, sweeping by the clock: %s", self._staging.full_name, in_short(error)
            )
            self.close()
            stop.wait(max(0.0, until - time.monotonic()))

    def _rings(self, swept: Timestamp) -> bool:
        if self._stream is None:
            # Just after what was swept: nothing committed since can be missed, and a backlog is not replayed.
            self._stream = self._staging.watch(
                [{"$match": {"operationType": "insert"}}, {"$project": {"clusterTime": 1}}],
                start_at_operation_time=Timestamp(swept.time, swept.inc + 1),
                max_await_time_ms=AWAIT_MS,
            )
        for _ in range(_BEHIND):
            change = self._stream.try_next()
            if change is None:
                return False
            if change["clusterTime"] > swept:
                return True
        self.close()  # further behind the sweeps than it is worth to follow
        return False

    def close(self) -> None:
        """Ends the stream; the next `wait` opens a new one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

"""The bell: a change stream on staging's inserts, only ever a hint that a sweep would find something."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Any

from bson import Timestamp
from pymongo.change_stream import CollectionChangeStream
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from outbox.collections import CALL_SECONDS, Document, call
from outbox.wording import in_short

logger = logging.getLogger("outbox")

AWAIT_SECONDS = 0.2
_LOOK_SECONDS = 0.2
_AGAIN_SECONDS = 1.0
_BEHIND = 1000


class Bell:
    """Rings when a message is committed to staging. `run` is one thread's work, all else another's.

    Losing it costs a second, never a message. seconds: how long the server lets one question for news wait. That
    cannot be interrupted, so it is also how long `run` may take to end.
    """

    def __init__(self, staging: Collection[Document], seconds: float = AWAIT_SECONDS) -> None:
        self._staging = staging
        self._seconds = seconds
        self._changed = threading.Condition()
        self._swept: Timestamp | None = None
        """What is waited for: anything later. None while nobody waits, for then the stream is left alone."""
        self._put = Timestamp(0, 0)
        """When the last message was put that the stream has shown."""

    def wait(self, swept: Timestamp, seconds: float, stop: threading.Event) -> bool:
        """Until something was put after `swept` (True), `stop` is set (within 0.2 s), or `seconds` have passed."""
        until = time.monotonic() + seconds
        with self._changed:
            self._swept = swept
            self._changed.notify_all()
            while self._put <= swept and not stop.is_set() and (left := until - time.monotonic()) > 0:
                self._changed.wait(min(left, _LOOK_SECONDS))
            self._swept = None
            return self._put > swept

    def run(self, stop: threading.Event) -> None:
        """Follows the stream until `stop` is set, while somebody waits; opens it anew whatever happens. Blocks."""
        while not stop.is_set():
            swept = self._wanted(stop)
            if swept is None:
                continue
            try:
                with self._bounded():
                    stream = self._opened(swept)
                with contextlib.closing(stream):
                    self._follow(stream, stop)
            except PyMongoError as error:
                if stop.is_set():
                    return
                logger.warning(
                    "the change stream on %s failed, sweeping by the clock: %s",
                    self._staging.full_name, in_short(error),
                )  # fmt: skip
                stop.wait(_AGAIN_SECONDS)

    def _wanted(self, stop: threading.Event) -> Timestamp | None:
        with self._changed:
            self._changed.wait_for(lambda: self._swept is not None or stop.is_set(), _LOOK_SECONDS)
            return self._swept

    def _opened(self, swept: Timestamp) -> CollectionChangeStream[Any]:
        # Just after what was swept: nothing committed since can be missed, and a backlog is not replayed.
        return self._staging.watch(
            [{"$match": {"operationType": "insert"}}, {"$project": {"clusterTime": 1}}],
            start_at_operation_time=Timestamp(swept.time, swept.inc + 1),
            max_await_time_ms=int(1000 * self._seconds),
        )

    def _follow(self, stream: CollectionChangeStream[Any], stop: threading.Event) -> None:
        behind = 0
        while not stop.is_set() and behind < _BEHIND:  # further than it is worth to follow: opened anew
            if self._wanted(stop) is None:
                continue
            with self._bounded():
                change = stream.try_next()
            behind = 0 if change is None or self._ring(change["clusterTime"]) else behind + 1

    def _ring(self, put: Timestamp) -> bool:
        with self._changed:
            self._put = put
            rings = self._swept is not None and put > self._swept
            if rings:
                self._swept = None
                self._changed.notify_all()
            return rings

    def _bounded(self) -> contextlib.AbstractContextManager[None]:
        # A frozen primary must not silence it for ever.
        return call(CALL_SECONDS + self._seconds)

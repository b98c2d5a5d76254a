"""Follows the change stream on staging: brings what is committed, as long as it misses nothing."""

from __future__ import annotations

import bisect
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from bson import Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.change_stream import CollectionChangeStream
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from outbox.clock import SystemClock
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import RAW, Document
from outbox.mongo.patience import CALL_SECONDS
from outbox.mongo.pymongo_internals import await_at_most
from outbox.mongo.server_errors import is_closed, short_message

logger = logging.getLogger("outbox")

CLOCK = SystemClock()
AWAIT_SECONDS = 0.2
_LOOK_SECONDS = 0.2
_LATE_SECONDS = 1.0  # more than the server was asked to wait, and it is not sure that the stream still brings all
_AGAIN_SECONDS = 1.0
_MOST = 500  # messages; more of them are quicker found by a sweep
_LARGE_BYTES = 16 << 10  # what is larger is left to a sweep: a reply has 1.6 MiB at most, what waits here 8 MiB
_REPLY = 100
_PIPELINE: list[Document] = [
    {"$match": {"operationType": "insert"}},
    {
        "$project": {
            "clusterTime": 1,
            "fullDocument": {
                "$cond": [{"$lte": [{"$bsonSize": "$fullDocument"}, _LARGE_BYTES]}, "$fullDocument", "$$REMOVE"]
            },
        }
    },
]


class Changes(NamedTuple):
    """Holds what was committed to staging after all that was taken before, in the order of the commits."""

    documents: list[bytes]
    time: Timestamp
    """When the last of them was committed, by the server's logical clock."""


class ChangeStreamListener:
    """Follows what is committed to staging. `run` is called on a thread of its own, all else on one other thread.

    It brings all that came after the last sweep, without a gap, or says that a sweep must find it: staging holds every
    message until the log does. So losing the stream costs a second, never a message.

    seconds: how long the server waits for a change before it answers. That cannot be interrupted, so it is also how
    long `run` may take to end. pause: seconds between two questions that bring nothing; unless it is 0, the server is
    not asked to wait, and no connection is kept.
    """

    def __init__(self, staging: Collection[Document], seconds: float = AWAIT_SECONDS, pause: float = 0.0) -> None:
        self._staging: Collection[RawBSONDocument] = staging.with_options(codec_options=RAW)
        self._name = staging.full_name
        self._outbox = staging.full_name.removesuffix(".staging")
        self._seconds = max(0.001, 0.0 if pause else seconds)
        self._pause = pause
        self._changed = threading.Condition()
        self._since: Timestamp | None = None
        """Every insert committed after this time has been delivered; None while the stream is not followed."""
        self._swept = Timestamp(0, 0)
        """What was committed up to here has been taken by a sweep."""
        self._pending: list[tuple[Timestamp, bytes]] = []
        """The changes not taken yet: when each was committed, and the document."""
        self._missed = False
        """True when something was committed that is not in `_pending`: only a sweep can find it."""
        self._shown = 0
        """How many messages the stream has shown since the last `next_changes`, or since those that a sweep left."""
        self._passed = Timestamp(0, 0)
        """What was committed up to here may have been taken from `_pending`."""
        self._answered = -math.inf
        """When the server last answered."""

    def follow_from(self, swept: Timestamp) -> None:
        """Brings from here on what was committed after `swept`: a sweep has taken all up to there."""
        with self._changed:
            if self._since is None or self._passed > swept:
                self._since = self._passed = swept
                self._pending = []
            self._swept, self._missed = swept, False
            del self._pending[: bisect.bisect_right(self._pending, swept, key=_committed)]
            self._shown = len(self._pending)
            self._changed.notify_all()

    def next_changes(self, seconds: float, ends: Callable[[], bool]) -> Changes | None:
        """Waits for changes and takes them; takes none when `ends()` is true and it is woken, or `seconds` have passed.

        None: something was committed that only a sweep can find.
        """
        until = time.monotonic() + seconds
        with self._changed:
            while not (self._pending or self._missed or ends()) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            if self._missed:
                return None
            if self._pending:
                self._passed = _committed(self._pending[-1])
            changes, self._shown = Changes([document for _, document in self._pending], self._passed), 0
            self._pending = []
            return changes

    def wake(self) -> None:
        """Makes `next_changes` look whether it is to end."""
        with self._changed:
            self._changed.notify_all()

    @property
    def is_answering(self) -> bool:
        """Tells whether the server has just said that nothing more was committed than what was brought."""
        with self._changed:
            late = time.monotonic() - self._answered >= self._seconds + _LATE_SECONDS
            return self._since is not None and not late

    def run(self, stop: threading.Event) -> None:
        """Follows the stream until `stop` is set; opens it anew whatever happens. Blocks."""
        while not stop.is_set():
            since = self._wanted()
            if since is None:
                continue
            try:
                with self._bounded():
                    stream = self._opened()
                with contextlib.closing(stream):
                    self._follow(stream, since, stop)
            except Exception as error:
                self._lose(since)
                unforeseen = None if isinstance(error, PyMongoError) else error
                if unforeseen is None and (stop.is_set() or is_closed(error)):  # whoever sequences says so
                    return
                said, about = "the change stream on %s failed, sweeping by the clock: %s", {"outbox": self._outbox}
                logger.warning(said, self._name, short_message(error), exc_info=unforeseen, extra=about)
                stop.wait(_AGAIN_SECONDS)

    def _wanted(self) -> Timestamp | None:
        with self._changed:
            self._changed.wait_for(lambda: self._since is not None, _LOOK_SECONDS)
            return self._since

    def _opened(self) -> CollectionChangeStream[Any]:
        # From just after what was swept: so nothing committed since is missed, and nothing older comes again.
        swept = self._swept
        return self._staging.watch(
            _PIPELINE,
            start_at_operation_time=Timestamp(swept.time, swept.inc + 1),
            max_await_time_ms=int(1000 * self._seconds),
            batch_size=_REPLY,
        )

    def _follow(self, stream: CollectionChangeStream[Any], since: Timestamp, stop: threading.Event) -> None:
        while not stop.is_set() and self._since is since:
            if not self._pause:
                await_at_most(stream, self._milliseconds_in_step())
            with self._bounded():
                change = stream.try_next()
            self._answered = time.monotonic()
            if change is not None:
                self._heed(since, change["clusterTime"], change.get("fullDocument"))
            elif not stream.alive:  # the collection was dropped: asking on would take a whole core, for nothing
                self._lose(since)
            elif self._pause:
                stop.wait(self._pause)

    def _milliseconds_in_step(self) -> int:
        """Returns how long the server is to wait: until the end of a step, so that it answers all streams together.

        pymongo wakes twice a second from when it began to wait, and each stream's thread with it; twenty that wake
        together took half the CPU of twenty that wake one by one (measured).
        """
        left = self._seconds - CLOCK.monotonic() % self._seconds
        return max(1, round(1000 * left))

    def _heed(self, since: Timestamp, put: Timestamp, document: RawBSONDocument | None) -> None:
        with self._changed:
            if self._since is not since or put <= self._swept:
                return
            self._shown += 1
            if self._shown > _MOST:
                self._since = None  # so many are quicker found by a sweep
            if self._since is None or document is None:
                self._missed, self._passed = True, put
                self._pending = []
            else:
                self._pending.append((put, bytes(document.raw)))
            self._changed.notify_all()

    def _lose(self, since: Timestamp) -> None:
        with self._changed:
            if self._since is since:
                self._since = None
                self._pending = []

    def _bounded(self) -> contextlib.AbstractContextManager[None]:
        # So that a frozen primary cannot stop it for ever.
        return time_limit(CALL_SECONDS + self._seconds)


def _committed(change: tuple[Timestamp, bytes]) -> Timestamp:
    return change[0]

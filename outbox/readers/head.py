"""The head of the log as this process knows it: wakes its readers, and keeps what they need not ask the server for."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from bson import Timestamp
from pymongo.client_session import ClientSession

from outbox.log.batch import Batch
from outbox.readers.append_cache import AppendCache
from outbox.readers.fetch_cache import FetchCache
from outbox.sequencer.appender import AppendListener

_BLIND_SECONDS = 0.05  # how often readers look for themselves while the cursor is being opened


class Head(AppendListener):
    """Wakes readers when the log grows: the tail tells it what others append, the sequencer what this process does.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._woken = threading.Condition()
        self.rings = 0
        """Grows with every wake-up; a reader that read at n sleeps until it is no longer n."""
        self.breaks = 0
        """Grows whenever the tail's cursor ends or is opened: between the two the log may have become another."""
        self.is_followed = False
        """Whether the tail's cursor is open."""
        self.seq = 0
        """The newest seq that was seen, perhaps ahead of what the majority has; 0 while nothing is."""
        self.append_cache = AppendCache()
        """What this process's own sequencer has appended."""
        self.fetch_cache = FetchCache()
        """What this process's readers have got from the server."""
        self.asked: tuple[int, float] | None = None
        """The position at which a reader last asked the server for what this process had not appended, and when."""
        self._operation_time: Timestamp | None = None
        self._cluster_time: Mapping[str, Any] | None = None

    def wait(self, rings: int, seconds: float, stop: threading.Event | None = None) -> bool:
        """Waits until the log has grown since `rings` (True), `stop` is set, or `seconds` have passed."""
        with self._woken:
            return self._woken.wait_for(
                lambda: self.rings != rings or (stop is not None and stop.is_set()),
                timeout=seconds if self.is_followed else min(seconds, _BLIND_SECONDS),
            )

    def wake(self) -> None:
        """Makes every waiting reader look, as a growing log does."""
        with self._woken:
            self.rings += 1
            self._woken.notify_all()

    def grown(self, seq: int, session: ClientSession) -> None:
        """Wakes the readers for a log that ends at `seq`, as was seen in `session`."""
        with self._woken:
            self.seq = seq
            self._operation_time = session.operation_time
            self._cluster_time = session.cluster_time
            self.rings += 1
            self._woken.notify_all()

    def advance(self, session: ClientSession) -> None:
        """Makes the session's next read happen after what was seen."""
        with self._woken:
            if self._operation_time is not None and self._cluster_time is not None:
                session.advance_cluster_time(self._cluster_time)  # without it the server refuses with code 72
                session.advance_operation_time(self._operation_time)

    def broken(self, *, is_followed: bool) -> None:
        """Forgets what was fetched, for the log may be another one; the tail's cursor has ended, or is open again."""
        self.is_followed = is_followed
        self.seq = 0
        self.fetch_cache.forget()
        self.breaks += 1
        self.wake()

    def began(self, fence: int, next_seq: int) -> None:
        """See AppendListener."""
        self.append_cache.begin(fence, next_seq)

    def appended(self, batches: Sequence[Batch], session: ClientSession) -> None:
        """See AppendListener."""
        self.append_cache.add(batches)
        self.grown(batches[-1].last, session)

    def ended(self) -> None:
        """See AppendListener."""
        self.append_cache.end()
        self.wake()  # from now on they look for themselves more often

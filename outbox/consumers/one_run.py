"""One run at a time: what a program runs on a thread of its own, and may stop from another."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from outbox.arguments import check_event
from outbox.errors import OutboxError


class OneRun:
    """Lets a reader of this process run once at a time, be stopped, and be waited for. Thread-safe.

    id: the reader's, for people. error: what a second run raises.
    """

    def __init__(self, id: str, error: type[OutboxError]) -> None:
        self._id = id
        self._error = error
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None
        self._ended: threading.Event | None = None
        self._runner = 0
        self._pid = 0

    @contextmanager
    def begin(self, stop: threading.Event | None) -> Iterator[threading.Event]:
        """Runs inside the `with`, and gives the event that ends it: `stop`, or one of its own."""
        if stop is not None:
            check_event("stop", stop, self._error)
        stopping = threading.Event() if stop is None else stop
        with self._lock:
            if self.is_running:
                raise self._error(f"{self._id} runs already in this process: stop() it first, or make another one")
            self._pid = os.getpid()
            self._stop, ended = stopping, threading.Event()
            self._ended, self._runner = ended, threading.get_ident()
        try:
            yield stopping
        finally:
            with self._lock:
                self._stop = None
            ended.set()

    @property
    def is_running(self) -> bool:
        """Tells whether anything runs; in a forked process, what runs is the parent's."""
        return self._stop is not None and self._pid == os.getpid()

    def stop(self) -> None:
        """Ends what runs. Does not wait; does nothing when nothing runs."""
        with self._lock:
            if self._stop is not None:
                self._stop.set()

    def join(self, seconds: float) -> None:
        """Waits until nothing runs any more, `seconds` at most; not at all on the thread that runs it."""
        with self._lock:
            ended = self._ended
        if ended is not None and threading.get_ident() != self._runner:
            ended.wait(seconds)

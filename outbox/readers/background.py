"""The threads behind all readers of a process: its tail, and its turn at sequencing, alive while anybody reads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections
from outbox.mongo.lease import SECONDS
from outbox.readers.head import Head
from outbox.readers.pool import connection_held
from outbox.readers.tail import Tail
from outbox.sequencer.change_stream import AWAIT_SECONDS
from outbox.sequencer.loop import run_sequencer
from outbox.sequencer.sequencer import Sequencer

Beside = Callable[[Collections, Head, threading.Event], None]


class BackgroundThreads:
    """Starts the background threads with the first reader and stops them with the last. Thread-safe."""

    def __init__(self, collections: Collections, *, sequencing: bool, beside: Beside | None = None) -> None:
        """beside: what else is to be done meanwhile, until its stop is set, on a thread of its own."""
        self._collections = collections
        self.sequencing = sequencing
        self._beside = beside
        self._lock = threading.Lock()
        self._readers = 0
        self._held = ExitStack()
        self._head = Head()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        # One owner for all turns of this process: a new turn may take the lease from an old one that is just ending.
        self._owner = collections.lease("sequencer").owner

    @property
    def head(self) -> Head:
        """The head of the present turn; while nobody is `running`, one that wakes nobody."""
        return self._head

    @contextmanager
    def running(self, await_seconds: float = AWAIT_SECONDS, lease_seconds: float = SECONDS) -> Iterator[Head]:
        """Keeps the threads alive inside; gives the head. They end by themselves soon after the last reader: the one
        that waits for changes of staging within `await_seconds` of the reader that started it, the others within 0.2 s.
        Raises PoolTooSmall.
        """
        with self._lock:
            if self._readers == 0:
                with ExitStack() as held:
                    pause = held.enter_context(
                        connection_held(self._collections.client, self._collections.log.full_name)
                    )
                    self._start(await_seconds, lease_seconds, pause)
                    self._held = held.pop_all()
            self._readers += 1
            head = self._head
        try:
            yield head
        finally:
            with self._lock:
                self._readers -= 1
                if self._readers == 0:
                    self._stop.set()
                    self._held.close()

    def _start(self, await_seconds: float, lease_seconds: float, pause: float) -> None:
        stop = self._stop = threading.Event()
        head = self._head = Head()
        tail = Tail(self._collections, head, pause)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        try:
            self._spawn("tail", lambda: tail.run(stop))
            if self.sequencing:
                lease = self._collections.lease("sequencer", owner=self._owner, seconds=lease_seconds)
                sequencer = Sequencer(self._collections, lease, listener=head)
                self._spawn(
                    "sequencer", lambda: run_sequencer(self._collections, sequencer, stop, await_seconds, pause)
                )
            if (beside := self._beside) is not None:
                self._spawn("latest", lambda: beside(self._collections, head, stop))
        except BaseException:  # no thread can be had: all or none, and the reader is told
            stop.set()
            raise

    def _spawn(self, role: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(
            target=outside_bound_session(work), name=f"outbox-{role}-{self._collections.name}", daemon=True
        )
        thread.start()
        self._threads.append(thread)

    def wake(self) -> None:
        """Makes every waiting reader look whether it is still wanted."""
        self._head.wake()

    def join(self, seconds: float) -> None:
        """Waits for threads that were told to stop; not at all while there is a reader, which may be the caller."""
        with self._lock:
            ending = [] if self._readers else list(self._threads)
        for thread in ending:
            thread.join(seconds)

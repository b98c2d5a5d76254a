"""Gives records to an Observer, and acknowledges those that the program says are done."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from outbox.consumers.in_turn import Terms
from outbox.consumers.waiting import WaitingRecords, interrupted
from outbox.errors import OutboxError
from outbox.events import CaughtUp, Event, OnEvent
from outbox.log.record import Record

WINDOW = 1000
"""The most records that are given and not acknowledged: then the next waits."""
_BOX_SECONDS = 0.05


class Observer(Protocol):
    """What is given the records."""

    def on_next(self, value: Any) -> None: ...


class ObserverFailed(OutboxError):
    """The observer raised; `__cause__` is what."""


class Serial:
    """Gives an observer one thing at a time, whichever thread gives it: each share has a thread of its own."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._lock = threading.RLock()

    def on_next(self, value: Record[Any] | CaughtUp) -> None:
        """Raises ObserverFailed."""
        with self._lock:
            try:
                self._observer.on_next(value)
            except Exception as error:
                what = f"seq {value.seq}" if isinstance(value, Record) else str(value)
                raise ObserverFailed(f"the observer failed at {what}: {error}") from error

    def marked_by(self, tell: OnEvent) -> OnEvent:
        """Makes what tells the observer, too, when all that there is has been given and acknowledged."""

        def told(event: Event) -> None:
            if isinstance(event, CaughtUp):
                self.on_next(event)
            tell(event)

        return told


class Observed(WaitingRecords):
    """Is a Target, and Interruptible: `poll` gives the records, one at a time; `ack` may be called on any thread."""

    def __init__(self, observer: Serial, terms: Terms, all_of_them: list[Observed]) -> None:
        super().__init__()
        self._observer = observer
        self._terms = terms
        self._all = all_of_them
        self._given: set[int] = set()
        self._acks: SimpleQueue[int] = SimpleQueue()
        all_of_them.append(self)

    def another(self) -> Observed:
        return Observed(self._observer, self._terms, self._all)

    def poll(self, seconds: float) -> None:
        """Gives what waits, for a twentieth of a second, and passes acknowledgements on."""
        self._collect(0)
        if self._interrupted:
            raise interrupted()
        until = self._terms.clock.monotonic() + _BOX_SECONDS
        while self._waiting and len(self._given) < WINDOW and not self._terms.stop.is_set():
            seq, record = self._waiting.popleft()
            self._given.add(seq)
            self._observer.on_next(record)
            self._collect(0)
            if self._terms.clock.monotonic() >= until:
                return
        if seconds and self._given:
            self._collect(seconds)

    def _collect(self, seconds: float) -> None:
        try:
            seq = self._acks.get(seconds > 0, seconds)
            while True:
                if seq in self._given:  # else it was given before, by another turn, and comes again
                    self._given.remove(seq)
                    self._acknowledged(seq)
                seq = self._acks.get_nowait()
        except Empty:
            return

    def ack(self, seq: int) -> None:
        """Acknowledges a record, given by this target or by another. Thread-safe."""
        self._acks.put(seq)

    def close(self) -> None:
        self._collect(0)  # what is said too late concerns another turn
        super().close()
        self._given.clear()

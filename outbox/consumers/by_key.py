"""Handles records of different keys side by side, those of one key in order."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

from outbox.consumers.decoding import Delivery
from outbox.consumers.in_turn import Handle, Terms
from outbox.consumers.waiting import WINDOW, interrupted, nobody
from outbox.errors import DeliveryFailed
from outbox.events import Handled
from outbox.log.record import Record
from outbox.threads.workers import Workers

RecordKey = str | int
"""A record's key; of one without a key its seq: it waits for nobody."""


class Ended(NamedTuple):
    """How the handling of a key's next record ended."""

    key: RecordKey
    seconds: float
    error: BaseException | None


class ByKey:
    """Is a Target, and Interruptible: handles up to `concurrency` records at a time, on threads of its own.

    A key whose record fails waits for its next attempt, and holds up no other.
    """

    def __init__(self, handle: Handle, concurrency: int, terms: Terms, name: str) -> None:
        self._handle = handle
        self._concurrency = concurrency
        self._terms = terms
        self._attempts = terms.attempts()
        self._clock = terms.clock
        self._name = name
        self._workers = Workers(concurrency, f"outbox-{name}")
        self._waiting: dict[RecordKey, deque[Record[object]]] = {}
        self._ready: deque[RecordKey] = deque()
        self._later: list[tuple[float, int, RecordKey]] = []
        self._ended: SimpleQueue[Ended] = SimpleQueue()
        self._running = 0
        self._held = 0
        self._interrupted = False
        self._acknowledged: Callable[[int], object] = nobody

    def another(self) -> ByKey:
        return ByKey(self._handle, self._concurrency, self._terms, self._name)

    def open(self, acknowledged: Callable[[int], object]) -> None:
        self.close()
        self._acknowledged = acknowledged
        self._interrupted = False

    def send(self, batch: Sequence[Delivery]) -> int:
        taken = batch[: WINDOW - self._held]
        for seq, record in taken:
            key: RecordKey = seq if record.key is None else record.key
            waiting = self._waiting.setdefault(key, deque())
            waiting.append(record)
            if len(waiting) == 1:
                self._ready.append(key)
        self._held += len(taken)
        self._begin()
        return len(taken)

    def poll(self, seconds: float) -> None:
        """Begins what can begin, and acknowledges what has ended."""
        self._begin()
        if self._later:  # then the next attempt is due
            seconds = min(seconds, max(0.0, self._later[0][0] - self._clock.monotonic()))
        if not self._running and self._ended.empty():
            if self._interrupted:
                raise interrupted()
            if self._later:
                self._clock.wait(seconds)
            return
        self._collect(seconds)
        self._begin()

    def _collect(self, seconds: float | None) -> None:
        """Takes what has ended; waits `seconds` for the first, None for as long as that takes."""
        given_up: DeliveryFailed | None = None
        try:
            ended = self._ended.get(seconds != 0, seconds)
            while True:
                try:
                    self._settle(ended)
                except DeliveryFailed as failed:
                    given_up = given_up or failed
                ended = self._ended.get_nowait()
        except Empty:
            if given_up is not None:
                raise given_up from given_up.__cause__

    def _begin(self) -> None:
        now = self._clock.monotonic() if self._later else 0.0
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        if self._interrupted or self._terms.stop.is_set():
            return
        while self._ready and self._running < self._concurrency:
            key = self._ready.popleft()
            self._running += 1
            self._start(key, self._waiting[key][0])

    def _start(self, key: RecordKey, record: Record[object]) -> None:
        """Begins to handle a key's next record; `_ended` hears of its end. Does not wait."""
        self._workers.submit(self._work, key, record)

    def _work(self, key: RecordKey, record: Record[object]) -> None:
        began, error = self._clock.monotonic(), None
        try:
            self._handle(record)
        except BaseException as raised:  # noqa: BLE001  # raised or counted on the polling thread
            error = raised
        self._ended.put(Ended(key, self._clock.monotonic() - began, error))

    def _settle(self, ended: Ended) -> None:
        key, seconds, error = ended
        self._running -= 1
        waiting = self._waiting[key]
        record = waiting[0]
        if isinstance(error, Exception):
            again_at = self._clock.monotonic() + self._attempts.failed(record, error)
            heapq.heappush(self._later, (again_at, record.seq, key))
            return
        if error is not None:
            raise error
        waiting.popleft()
        self._held -= 1
        self._acknowledged(record.seq)
        self._attempts.done(record.seq)
        self._terms.seconds.add(seconds)
        if self._terms.tell is not None:
            self._terms.tell(Handled(record, seconds))
        if waiting:
            self._ready.append(key)
        else:
            del self._waiting[key]

    def interrupt(self) -> None:
        self._interrupted = True

    def close(self) -> None:
        """Waits for what runs, and acknowledges what of it is done; drops the rest."""
        self._interrupted = True
        while self._running:
            try:
                self._collect(None)
            except DeliveryFailed:  # it comes again, and is tried once more
                continue
        self._workers.shutdown()
        self._waiting.clear()
        self._ready.clear()
        self._later.clear()
        self._held = 0

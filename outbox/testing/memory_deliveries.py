"""Gives a consumer the records of a log in memory, through the pump, the targets and the retries of the real one."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, cast

from pymongo.client_session import ClientSession

from outbox.arguments import check_timeout
from outbox.backoff import LONGEST_SECONDS
from outbox.clock import Clock, SystemClock
from outbox.consumers.config import Asked, To, wanted
from outbox.consumers.decoding import Delivery, RecordDecoder
from outbox.consumers.in_transaction import InTransaction
from outbox.counting.tally import ReaderTally
from outbox.delivery.outcome import Poisoned
from outbox.delivery.ports import Target
from outbox.delivery.pump import Pump
from outbox.delivery.pump_loop import PumpLoop
from outbox.delivery.retry import Retry
from outbox.errors import CursorInUse, WaitTimeout
from outbox.events import OnEvent, Parked, Standby, Started, Stopped, TookOver
from outbox.log.batch import MAX_RECORDS
from outbox.log.reader_id import reader_id
from outbox.log.record import Decode, Record
from outbox.mongo.calls import Write
from outbox.readers.start import resolve
from outbox.shares import cursor_admin
from outbox.shares.reader_logger import ReaderLogger
from outbox.testing.memory_log import MemoryLog, MemoryReader
from outbox.testing.memory_readers import MemoryReaders, MemoryReaderState
from outbox.testing.session import MemorySession
from outbox.threads.program_end import told_at_the_end

_LOOK_SECONDS = 0.02
"""Between two looks at the stop."""


class Hurrying(SystemClock):
    """Is the machine's clock, but that a wait is over at once: a test shall not sit out a backoff.

    tick: by how many seconds each reading moves it on, too, so that what is done now and then is always due.
    """

    def __init__(self, tick: float = 0.0) -> None:
        self._tick = tick
        self._ahead = 0.0

    def monotonic(self) -> float:
        self._ahead += self._tick
        return super().monotonic() + self._ahead

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        self._ahead += LONGEST_SECONDS
        return stop is not None and stop.is_set()


class MemoryEffects:
    """Is outbox.consumers.in_transaction.Effects: the position moves when a MemorySession commits. Not thread-safe."""

    def __init__(self, state: MemoryReaderState) -> None:
        self._state = state
        self._session = MemorySession()

    def session(self) -> MemorySession:
        """Returns the session that the handler is given."""
        return self._session

    def writes(self, records: Sequence[Record[Any]]) -> list[Write]:
        """There are none: no server is written to."""
        return []

    def commit(self, records: Sequence[Record[Any]], session: ClientSession) -> None:
        """See WithEffects."""
        last = records[-1]
        cast(MemorySession, session).at_commit(lambda: self._state.save((last.seq, last.created, last.id)))

    def committed(self) -> None:
        """See WithEffects."""


class MemoryDeliveries:
    """Is outbox.consumers.config.Deliveries of an outbox in memory. Thread-safe."""

    def __init__(
        self,
        log: MemoryLog,
        readers: MemoryReaders,
        asked: Asked,
        decode: Decode,
        check_usable: Callable[[], None],
    ) -> None:
        self.clock: Clock = Hurrying()
        self.tally = ReaderTally()
        self._id = reader_id("consumer", asked.name)
        self._log = log
        self._state = readers.state(self._id)
        self._asked = asked
        self._decode = decode
        self._check_usable = check_usable

    def log(self) -> ReaderLogger:
        """See Deliveries."""
        return ReaderLogger(self._id, self._log.where)

    def run(self, target: Target[Delivery], stop: threading.Event, tell: OnEvent) -> None:
        """See Deliveries. One works at a time, whatever its shares; others of that name stand by."""
        state = self._state
        try:
            self._check_usable()
            with told_at_the_end(stop.set):
                if not state.turn.acquire(blocking=False):
                    tell(Standby("memory"))
                    while not state.turn.acquire(timeout=_LOOK_SECONDS):
                        if stop.is_set():
                            return
                try:
                    self._work(target, stop, tell)
                finally:
                    state.turn.release()
        finally:
            tell(Stopped())

    def _work(self, target: Target[Delivery], stop: threading.Event, tell: OnEvent) -> None:
        state, query, on_poison = self._state, self._asked.query, self._asked.on_poison
        state.on_poison = on_poison
        tell(TookOver())
        start = state.begin(lambda: resolve(query.start, self._log))
        if isinstance(target, InTransaction):
            target.delivery = MemoryEffects(state)

        def poisoned(outcome: Poisoned) -> None:
            if on_poison == "stop":
                raise outcome.error
            state.add(outcome.record, outcome.error)
            self.log().warning("dead-lettered: %s", outcome.error.finding)
            tell(Parked(outcome.record))

        reader, chosen = MemoryReader(self._log, start[0] + 1), wanted(query)
        decoder = RecordDecoder(self._decode, chosen, MAX_RECORDS)
        pump = Pump(
            reader, target, decoder, _Held(),
            start=start, save=state.save, parking=state, clock=Hurrying(1.0), restart=state.reached,
            wanted=chosen, tell=tell,
        )  # fmt: skip
        with closing(pump):
            tell(Started())
            retry = Retry(self.log(), stop, random.random, tell=tell)
            PumpLoop(retry, None, tell).run(pump, poisoned, lambda *_: False, _LOOK_SECONDS)

    def wait_caught_up(self, timeout: float) -> None:
        """See Deliveries."""
        check_timeout(timeout)
        with self._log.changed:
            head = self._log.head()
            if not self._log.changed.wait_for(lambda: (self.position() or 0) >= head and self._has_begun(), timeout):
                position = self.position()
                at = "it has not begun" if position is None else f"it is at seq {position}"
                raise WaitTimeout(f"{self._id} has not caught up within {timeout:g} s: {at}, and was to reach {head}")

    def _has_begun(self) -> bool:
        return self._state.position is not None

    def position(self) -> int | None:
        """See Deliveries."""
        position = self._state.position
        return None if position is None else position[0]

    def reset(self, to: To) -> int:
        """See Deliveries."""
        with self._idle("moved"):
            seq = cursor_admin.target(to, self._log)
            there = self._log.position_at(seq)
            cursor_admin.check_target(seq, self._log, is_record=there[2] is not None)
            self._state.position = there
            return seq

    def forget(self) -> bool:
        """See Deliveries."""
        with self._idle("removed"):
            had, self._state.position = self._has_begun(), None
            return had

    @contextmanager
    def _idle(self, done: str) -> Iterator[None]:
        if not self._state.turn.acquire(blocking=False):
            raise CursorInUse(f"the cursor was not {done}: {self._id} is run here; stop() it first")
        try:
            with self._log.changed:
                yield
        finally:
            self._state.turn.release()


class _Held:
    """Is a lease that nobody can take."""

    def check(self) -> None:
        """Is always held."""

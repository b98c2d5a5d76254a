"""Watches over Kafka: logs that brokers are away or acknowledge nothing, again every minute, and that they are back."""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from outbox.clock import Clock

logger = logging.getLogger("relay.kafka")

QUIET_SECONDS = 8.0
"""How long an acknowledgement may take before that is logged; a partition that gets another leader takes some time."""
AGAIN_SECONDS = 60.0
"""Between two lines about the same silence."""
_CHECK_SECONDS = 1.0
_ASK_SECONDS = 2.0
_OTHERWISE = "it answers; perhaps fewer replicas are in sync than min.insync.replicas, or a disk is full, or slow"
_REFUSED = {"_SSL", "_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED"}


@dataclass(slots=True)
class Generation:
    """Records that were sent within about a second, and how many of them are not acknowledged."""

    since: float
    waiting: int = 0


class Flight:
    """Knows since when the oldest record in flight, sent and not acknowledged, has been waiting. Not thread-safe.

    Cheap: one number is counted down for each record, whatever the order of the acknowledgements.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._generations: deque[Generation] = deque()
        self._sent = 0

    def sending(self) -> Generation:
        """The generation of the records that are sent now: `add` them, then count `waiting` down for each."""
        now = self._clock.monotonic()
        if not self._generations or now - self._generations[-1].since >= _CHECK_SECONDS:
            self._generations.append(Generation(now))
        return self._generations[-1]

    def add(self, generation: Generation, count: int) -> None:
        """Counts records that were sent."""
        generation.waiting += count
        self._sent += count

    def land(self) -> None:
        """Forgets all records: they are acknowledged, or given up."""
        self._generations.clear()

    @property
    def oldest(self) -> float | None:
        """When the oldest record in flight was sent; None when there is none."""
        while self._generations and not self._generations[0].waiting:
            self._generations.popleft()
        return self._generations[0].since if self._generations else None

    @property
    def acknowledged(self) -> int:
        """How many records are no longer in flight, in all; those that were given up count too."""
        return self._sent - sum(generation.waiting for generation in self._generations)


class Silence:
    """Logs the silence of the Kafka at `where`, once for all sinks that were made of each other. Thread-safe."""

    def __init__(self, where: str, clock: Clock, today: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._where = where
        self._clock = clock
        self._today = today
        self._lock = threading.Lock()
        self._since: weakref.WeakKeyDictionary[object, float] = weakref.WeakKeyDictionary()
        self._said: float | None = None
        self._first = 0.0
        self._what = ""

    def lasts(self, who: object, since: float, what: Callable[[], str]) -> None:
        """Notes that `who` has heard nothing since then; `what` describes that, and is called only to log it."""
        now = self._clock.monotonic()
        with self._lock:
            self._since[who] = min(since, self._since.get(who, since))
            if self._said is not None and now - self._said < AGAIN_SECONDS:
                return
            self._first = min(self._since.values()) if self._said is None else self._first
            self._said, seconds = now, now - self._first
        at, self._what = self._today() - timedelta(seconds=seconds), what()
        logger.warning("Kafka at %s: since %s UTC, for %d s, %s", self._where, f"{at:%H:%M:%S}", seconds, self._what)

    def described(self) -> str:
        """Says what lasts, for a probe; "" while Kafka acknowledges."""
        with self._lock:
            if self._said is None:
                return ""
            seconds = self._clock.monotonic() - self._first
        return f"Kafka at {self._where}: for {seconds:.0f} s {self._what}"

    def ends(self, who: object) -> None:
        """Notes that `who` has heard from Kafka again."""
        if self._said is None:  # nearly always
            return
        with self._lock:
            self._since.pop(who, None)
            if self._said is None or self._since:
                return
            self._said = None
        logger.warning("Kafka at %s acknowledges again, after %d s", self._where, self._clock.monotonic() - self._first)


class Watch:
    """Watches over one client of Kafka. Not thread-safe."""

    def __init__(self, silence: Silence, clock: Clock) -> None:
        self.silence = silence
        self.flight = Flight(clock)
        self._clock = clock
        self._down: float | None = None
        self._fault = ""
        self._fault_at: float | None = None
        self._checked_at = self._asked_at = clock.monotonic()
        self._acknowledged = 0
        self.refused = ""
        """Why the last attempt to connect was refused because of this client's credentials; "" if it was not."""

    def fault(self, name: str, text: str) -> None:
        """Notes that the client could not connect or was cut off, with librdkafka's error `name`; it goes on trying."""
        self._fault, self._fault_at = text, self._clock.monotonic()
        self.refused = text if name in _REFUSED else ""

    def down(self) -> None:
        """Notes that the client is connected with no broker any more."""
        if self._down is None:
            self._down = self._clock.monotonic()

    def check(self, ask: Callable[[], str]) -> bool:
        """Logs what has changed. True when nothing has been heard for longer than QUIET_SECONDS.

        `ask` asks Kafka what is wrong: "" when all is well. It may take a moment, and is called only while something
        seems to be wrong.
        """
        now = self._clock.monotonic()
        if now - self._checked_at < _CHECK_SECONDS:
            return False
        checked_at, self._checked_at = self._checked_at, now
        acknowledged = self.flight.acknowledged
        if acknowledged != self._acknowledged and self._down is not None and self._down < checked_at:
            self._down = None
        self._acknowledged = acknowledged
        oldest = self.flight.oldest
        begun = min((since for since in (oldest, self._down) if since is not None), default=None)
        if begun is None or now - begun < QUIET_SECONDS:
            self.silence.ends(self)
            return False
        if oldest is None and self._is_back(now, ask):
            self._down = None
            self.silence.ends(self)
            return False
        self.silence.lasts(self, begun, lambda: self._description(begun, oldest is not None, ask))
        return True

    def _is_back(self, now: float, ask: Callable[[], str]) -> bool:
        """Asks Kafka whether it is back: with nothing to send, only that tells."""
        if now - self._asked_at < _ASK_SECONDS:
            return False
        self._asked_at = now
        return not ask()

    def _description(self, begun: float, is_sending: bool, ask: Callable[[], str]) -> str:
        why = self._fault if self._fault_at is not None and self._fault_at >= begun - 1 else ask()
        what = "it has acknowledged nothing" if is_sending else "no broker answers"
        return f"{what}: {why or _OTHERWISE}. The relay goes on trying, and nothing is lost"

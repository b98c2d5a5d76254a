"""A watch over Kafka: brokers that are away, or acknowledge nothing, are told of at once and every minute, and their
return too."""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from outbox.clock import Clock

log = logging.getLogger("relay.kafka")

QUIET_SECONDS = 8.0
"""So long may an acknowledgement take, as when a partition gets another leader, before it is worth a line."""
AGAIN_SECONDS = 60.0
_LOOK_SECONDS = 1.0
_ASK_SECONDS = 2.0
_OTHERWISE = "it answers; perhaps fewer replicas are in sync than min.insync.replicas, or a disk is full, or slow"
_REFUSED = {"_SSL", "_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED"}


@dataclass(slots=True)
class Generation:
    """Records that were sent within a second or so, and how many of them are not acknowledged."""

    since: float
    waiting: int = 0


class Flight:
    """Since when the oldest record that is not acknowledged has been waiting. Not thread-safe.

    Cheap: one number is counted down for each record, whatever the order of the acknowledgements.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._generations: deque[Generation] = deque()
        self._sent = 0

    def sending(self) -> Generation:
        """What records count to that are sent now: `add` says how many, and each acknowledged one takes one off."""
        now = self._clock.monotonic()
        if not self._generations or now - self._generations[-1].since >= _LOOK_SECONDS:
            self._generations.append(Generation(now))
        return self._generations[-1]

    def add(self, generation: Generation, count: int) -> None:
        generation.waiting += count
        self._sent += count

    def land(self) -> None:
        """All is acknowledged, or given up."""
        self._generations.clear()

    @property
    def oldest(self) -> float | None:
        """None when nothing waits."""
        while self._generations and not self._generations[0].waiting:
            self._generations.popleft()
        return self._generations[0].since if self._generations else None

    @property
    def acknowledged(self) -> int:
        """How many in all; those that were given up count too."""
        return self._sent - sum(each.waiting for each in self._generations)


class Silence:
    """What is said of the Kafka `where`, once for all sinks that are made of each other. Thread-safe."""

    def __init__(self, where: str, clock: Clock, today: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._where = where
        self._clock = clock
        self._today = today
        self._lock = threading.Lock()
        self._since: weakref.WeakKeyDictionary[object, float] = weakref.WeakKeyDictionary()
        self._said: float | None = None
        self._first = 0.0

    def lasts(self, who: object, since: float, what: Callable[[], str]) -> None:
        """`who` has met silence since then; `what` says of which kind, when that is to be said."""
        now = self._clock.monotonic()
        with self._lock:
            self._since[who] = min(since, self._since.get(who, since))
            if self._said is not None and now - self._said < AGAIN_SECONDS:
                return
            self._first = min(self._since.values()) if self._said is None else self._first
            self._said, seconds = now, now - self._first
        at = self._today() - timedelta(seconds=seconds)
        log.warning("Kafka at %s: since %s UTC, for %d s, %s", self._where, f"{at:%H:%M:%S}", seconds, what())

    def ends(self, who: object) -> None:
        """`who` has been heard again."""
        if self._said is None:  # by far most times
            return
        with self._lock:
            self._since.pop(who, None)
            if self._said is None or self._since:
                return
            self._said = None
        log.warning("Kafka at %s acknowledges again, after %d s", self._where, self._clock.monotonic() - self._first)


class Watch:
    """Watches over one client of Kafka's. Not thread-safe."""

    def __init__(self, silence: Silence, clock: Clock) -> None:
        self.silence = silence
        self.flight = Flight(clock)
        self._clock = clock
        self._down: float | None = None
        self._fault = ""
        self._fault_at: float | None = None
        self._looked_at = self._asked_at = clock.monotonic()
        self._acknowledged = 0
        self.refused = ""
        """How the last try to connect was refused for what this client is; "" if it was not."""

    def fault(self, name: str, says: str) -> None:
        """The client could not connect, or was cut off, by librdkafka's error `name`; it goes on trying."""
        self._fault, self._fault_at = says, self._clock.monotonic()
        self.refused = says if name in _REFUSED else ""

    def down(self) -> None:
        """The client has no broker left that it is connected with."""
        if self._down is None:
            self._down = self._clock.monotonic()

    def look(self, ask: Callable[[], str]) -> bool:
        """Says what there is to say. True: for longer than QUIET_SECONDS nothing has been heard.

        `ask` asks Kafka what is wrong: "" when all is well. It may take a moment, and is called only while something
        seems to be wrong.
        """
        now = self._clock.monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        looked_at, self._looked_at = self._looked_at, now
        acknowledged = self.flight.acknowledged
        if acknowledged != self._acknowledged and self._down is not None and self._down < looked_at:
            self._down = None
        self._acknowledged = acknowledged
        oldest = self.flight.oldest
        begun = min((each for each in (oldest, self._down) if each is not None), default=None)
        if begun is None or now - begun < QUIET_SECONDS:
            self.silence.ends(self)
            return False
        if oldest is None and self._is_back(now, ask):
            self._down = None
            self.silence.ends(self)
            return False
        self.silence.lasts(self, begun, lambda: self._what(begun, oldest is not None, ask))
        return True

    def _is_back(self, now: float, ask: Callable[[], str]) -> bool:
        """With nothing to send, only asking tells."""
        if now - self._asked_at < _ASK_SECONDS:
            return False
        self._asked_at = now
        return not ask()

    def _what(self, begun: float, is_sending: bool, ask: Callable[[], str]) -> str:
        why = self._fault if self._fault_at is not None and self._fault_at >= begun - 1 else ask()
        what = "it has acknowledged nothing" if is_sending else "no broker answers"
        return f"{what}: {why or _OTHERWISE}. The relay goes on trying, and nothing is lost"

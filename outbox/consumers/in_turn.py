"""Handles one record after the other, on the thread that runs the consumer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from outbox.clock import Clock, SystemClock
from outbox.consumers.attempts import Attempts
from outbox.consumers.waiting import WaitingRecords, interrupted
from outbox.counting.tally import Histogram
from outbox.events import Handled, OnEvent
from outbox.log.record import Record

Handle = Callable[[Record[Any]], object]
_BOX_SECONDS = 0.05  # how long the pump is left alone: it saves and reads in between


@dataclass(frozen=True)
class Terms:
    """What all targets of a consumer are given. stop: once set, nothing more is begun. tell: None if nobody listens.

    seconds: counts how long each record took.
    """

    attempts: Callable[[], Attempts]
    stop: threading.Event
    tell: OnEvent | None = None
    clock: Clock = field(default_factory=SystemClock)
    seconds: Histogram = field(default_factory=Histogram)


class InTurn(WaitingRecords):
    """Is a Target, and Interruptible: `poll` handles what was sent, in order. A record that fails holds up the rest.

    handle: called on the polling thread. What it raises counts as a failed attempt, but for what is no Exception.
    """

    def __init__(self, handle: Handle, terms: Terms) -> None:
        super().__init__()
        self._handle = handle
        self._terms = terms
        self._attempts = terms.attempts()
        self._clock = terms.clock
        self._again_at = 0.0

    def another(self) -> InTurn:
        return InTurn(self._handle, self._terms)

    def poll(self, seconds: float) -> None:
        """Handles what waits, for a twentieth of a second or one record."""
        if self._interrupted:
            raise interrupted()
        now = self._clock.monotonic()
        if self._waiting and now < self._again_at:
            self._clock.wait(min(seconds, self._again_at - now))
            return
        until = now + _BOX_SECONDS
        took: list[float] = []
        while self._waiting and now < until and not self._terms.stop.is_set():
            seq, record = self._waiting[0]
            try:
                self._handle(record)
            except Exception as error:  # noqa: BLE001  # it is counted, told and logged there
                self._again_at = self._clock.monotonic() + self._attempts.failed(record, error)
                break
            self._waiting.popleft()
            self._acknowledged(seq)
            self._attempts.done(seq)
            began, now = now, self._clock.monotonic()
            took.append(now - began)
            if self._terms.tell is not None:
                self._terms.tell(Handled(record, now - began))
        self._terms.seconds.add_all(took)

    def close(self) -> None:
        super().close()
        self._again_at = 0.0

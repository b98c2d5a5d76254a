"""Sends no faster than it is allowed to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from outbox.clock import Clock
from outbox.delivery.ports import Outgoing, Sink

_STEP_SECONDS = 0.1
"""So much may go at once; also the longest wait for more, so that a stop is heard."""

_LEAST_SECONDS = 0.001  # less than that may be nothing to a clock


class Paced:
    """Is Sink: another sink, to which at most `rate` records a second go; None: as many as it takes. Not thread-safe.

    What is sent again after a failure counts again. It is not behind after a pause: the next records come no faster.
    """

    def __init__(self, sink: Sink, rate: float | None, clock: Clock) -> None:
        self.sent = 0
        """Counts the records that were acknowledged."""
        self._sink = sink
        self._rate = rate
        self._clock = clock
        self._most = 0.0 if rate is None else max(1.0, rate * _STEP_SECONDS)
        self._allowed = self._most
        self._at = clock.monotonic()
        self._is_early = False

    def another(self) -> Paced:
        """See Sink.another."""
        return Paced(self._sink.another(), self._rate, self._clock)

    def check(self, topics: Collection[str]) -> None:
        """See Sink.check."""
        self._sink.check(topics)

    def open(self, acknowledged: Callable[[int], object]) -> None:
        """See Target.open."""

        def counted(seq: int) -> None:
            self.sent += 1
            acknowledged(seq)

        self._sink.open(counted)

    def send(self, batch: Sequence[Outgoing]) -> int:
        """See Target.send. It is full as long as nothing more may go."""
        if self._rate is None:
            return self._sink.send(batch)
        now = self._clock.monotonic()
        self._allowed = min(self._most, self._allowed + (now - self._at) * self._rate)
        self._at = now
        taken = self._sink.send(batch[: int(self._allowed)]) if self._allowed >= 1 else 0
        self._allowed -= taken
        self._is_early = taken < len(batch) and self._allowed < 1
        return taken

    def poll(self, seconds: float) -> None:
        """See Target.poll. When the last `send` was too early, it waits until some more may go, a tenth of a second at
        most."""
        if self._is_early and self._rate is not None:
            self._is_early = False
            due = (self._most - self._allowed) / self._rate
            self._clock.wait(min(_STEP_SECONDS, max(_LEAST_SECONDS, due)))
        self._sink.poll(seconds)

    def close(self) -> None:
        """See Target.close."""
        self._sink.close()

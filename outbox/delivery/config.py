"""What a durable reader is told to do, however many processes and threads share it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from outbox.dead_letters.store import OnPoison
from outbox.delivery.at_least_once import AtLeastOnce
from outbox.delivery.ports import Encoder, OpenOutbox, Sink
from outbox.errors import CursorMismatch, HistoryLost, PoisonMessage
from outbox.log.position import Position, position_at
from outbox.readers.start import Start, StartAt, resolve
from outbox.shares.share import Share


@dataclass(frozen=True)
class DeliveryConfig(ABC):
    """The arguments of a durable reader, and what depends on where it delivers to. Thread-safe.

    outbox, name, start, on_poison: see relay.relay.Relay. chance: floats in [0, 1) for the jitter of retries.
    """

    outbox: OpenOutbox
    name: str
    start: StartAt
    on_poison: OnPoison
    chance: Callable[[], float]
    has_begun: threading.Event = field(default_factory=threading.Event, kw_only=True)
    """Set as soon as this process has seen or made a cursor of the reader: from then on `start` counts no more, and a
    cursor that is missing is one that was removed. Shared by all threads."""

    @abstractmethod
    def encoder(self, sink: Sink, log: str) -> Encoder:
        """Makes an encoder for what goes to `sink` of the log with this identity."""

    @property
    @abstractmethod
    def encoder_kind(self) -> str:
        """Which encoder it is, in the log output."""

    @abstractmethod
    def delivery(self, sink: Sink, share: Share) -> AtLeastOnce:
        """Chooses how the cursor of a share goes with its records to `sink`."""

    @abstractmethod
    def hint(self, error: PoisonMessage) -> str:
        """Says what an operator can do about a message that stops this reader."""

    @property
    def where(self) -> str:
        """The outbox, for people."""
        return str(self.outbox.collections.log.full_name)

    def begin(self, save: Callable[[Position], None]) -> Position:
        """Chooses where to begin without a cursor, has `save` make one, and returns it when the next record is safe.

        From then on the sequencer waits for this reader. Until then a busy log goes on rolling over.

        Raises CursorMismatch when there was a cursor before, InvalidStart, and HistoryLost when a seq was asked for, or
        the beginning, that has gone.
        """
        if self.has_begun.is_set():  # `start` is for a reader that has delivered nothing yet
            raise CursorMismatch(
                f"the cursor of relay {self.name!r} was removed while the relay was running, with its log or alone"
            )
        log, is_exact = self.outbox.log, self.start == "beginning" or isinstance(self.start, int)
        while True:
            seq, oldest = resolve(self._first, log), log.oldest()
            if seq >= oldest or not is_exact:
                cursor = position_at(max(seq, oldest) - 1, log)
                save(cursor)
                oldest = log.oldest()  # after the save: see outbox.log.edge
                if oldest <= cursor[0] + 1:
                    return cursor
            if is_exact:
                raise HistoryLost(seq, oldest)

    @property
    def _first(self) -> Start:
        """`start`, in the outbox's words for a position."""
        if self.start == "beginning":
            return 1
        return "earliest" if self.start == "oldest" else self.start

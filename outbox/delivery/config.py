"""Holds what a durable reader is to do, however many processes and threads share the work."""

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
    """Holds the arguments of a durable reader, and what depends on the kind of sink. Thread-safe.

    outbox, name, start, on_poison: see relay.relay.Relay. chance: floats in [0, 1) for the jitter of retries.
    """

    outbox: OpenOutbox
    name: str
    start: StartAt
    on_poison: OnPoison
    chance: Callable[[], float]
    has_begun: threading.Event = field(default_factory=threading.Event, kw_only=True)
    """Set as soon as this process has seen or made a cursor of the reader. From then on `start` is not used, and a
    missing cursor means that somebody removed it. Shared by all threads."""

    @abstractmethod
    def encoder(self, sink: Sink, log: str) -> Encoder:
        """Makes the encoder for `sink`; `log` is the identity of the log that the records come from."""

    @property
    @abstractmethod
    def encoder_kind(self) -> str:
        """Names the kind of encoder, for the log output."""

    @abstractmethod
    def delivery(self, sink: Sink, share: Share) -> AtLeastOnce:
        """Chooses how a share's cursor is kept when its records go to `sink`."""

    @abstractmethod
    def hint(self, error: PoisonMessage) -> str:
        """Says what an operator can do about a message that stops this reader."""

    @property
    def where(self) -> str:
        """Names the outbox, for people."""
        return str(self.outbox.collections.log.full_name)

    def begin(self, save: Callable[[Position], None]) -> Position:
        """Chooses where to begin without a cursor, has `save` make one, and returns it.

        The record after it is safe then: from the save on the sequencer waits for this reader. Until then a busy log
        goes on rolling over.

        Raises CursorMismatch when there was a cursor before, InvalidStart, and HistoryLost when `start` is a seq, or
        the beginning, that the log no longer holds.
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
        """Returns `start` in the words that an outbox knows."""
        if self.start == "beginning":
            return 1
        return "earliest" if self.start == "oldest" else self.start

"""Holds what a durable reader is to do, however many processes and threads share the work."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic

from outbox.counting.tally import ReaderTally
from outbox.dead_letters.policy import OnPoison
from outbox.delivery.at_least_once import AtLeastOnce
from outbox.delivery.ports import Encoder, Item, OpenOutbox, Target, Wanted
from outbox.delivery.pump_loop import DRAIN_SECONDS
from outbox.errors import CursorMismatch, HistoryLost, LogReplaced, OutboxError, OutboxNotCreated, PoisonMessage
from outbox.events import OnEvent, teller
from outbox.log.position import Position, position_at
from outbox.log.reader_id import described
from outbox.monitoring.delivery_count import Destination, counted
from outbox.readers.start import Start, StartAt, resolve
from outbox.shares.reader_logger import ReaderLogger
from outbox.shares.share import ALL, Share
from outbox.tracing.tracing import Sending


@dataclass(frozen=True)
class DeliveryConfig(ABC, Generic[Item]):
    """Holds the arguments of a durable reader, and what depends on the kind of reader. Thread-safe.

    start: where to begin without a cursor. chance: floats in [0, 1) for the jitter of retries.
    """

    kind: ClassVar[str]
    """The kind of reader, which its id begins with."""
    drain_seconds: ClassVar[float | None] = DRAIN_SECONDS
    """See PumpLoop."""
    rest_seconds: ClassVar[float | None] = None
    """The longest time between two calls of its target while there is nothing to read; None for five seconds."""

    outbox: OpenOutbox
    name: str
    start: StartAt | Start
    on_poison: OnPoison
    chance: Callable[[], float]
    has_begun: threading.Event = field(default_factory=threading.Event, kw_only=True)
    """Set as soon as this process has seen or made a cursor of the reader. From then on `start` is not used, and a
    missing cursor means that somebody removed it. Shared by all threads."""
    tell: OnEvent = field(default=teller(None), kw_only=True)
    """Is told what the reader does; see outbox.events."""

    @property
    def reader(self) -> str:
        """The reader's id, such as `relay:kafka`."""
        return f"{self.kind}:{self.name}"

    @property
    def tally(self) -> ReaderTally:
        """Returns what this process counts for the reader."""
        return self.outbox.collections.tally.reader(self.reader)

    @property
    def told(self) -> OnEvent:
        """Makes what counts an event before it is told."""
        return counted(self.tally, self.tell)

    def log(self, share: Share = ALL) -> ReaderLogger:
        """Makes the log output of the reader, or of one share of it."""
        return ReaderLogger(share.name(self.reader), self.where)

    @property
    def wanted(self) -> Wanted | None:
        """Tells which records the reader handles at all; None for all of them."""
        return None

    @property
    def destination(self) -> Destination | None:
        """Tells where what is sent for a record goes; None when that is not counted."""
        return None

    def sending(self, items: Sequence[Item]) -> Sending | None:
        """Begins a span of what is given to the target, where that is traced; the target's own, of a handler."""
        return None

    def share(self, share: Share) -> Share:
        """Says what counts as a record's key when the records are divided into shares."""
        return share

    def glance(self) -> None:
        """Is called every few seconds while the reader works; raises pymongo's errors."""

    @abstractmethod
    def encoder(self, target: Target[Item], log: str) -> Encoder[Item]:
        """Makes the encoder for `target`; `log` is the identity of the log that the records come from."""

    @property
    @abstractmethod
    def begins(self) -> str:
        """Says in the log output that the reader begins, with `%d` for the seq it begins after and for its fence."""

    @abstractmethod
    def delivery(self, target: Target[Item], share: Share) -> AtLeastOnce:
        """Chooses how a share's cursor is kept when its records go to `target`."""

    @abstractmethod
    def hint(self, error: PoisonMessage) -> str:
        """Says what an operator can do about a message that stops this reader."""

    @abstractmethod
    def way_on(self, lost: HistoryLost | LogReplaced | CursorMismatch | OutboxNotCreated) -> str:
        """Says where the reader can go on, when the log does not hold what it would read next. Asks the server."""

    @abstractmethod
    def other_shares(self, there_are: int, given: int) -> OutboxError:
        """Makes the error for a reader that was given another number of shares than it has."""

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
                f"the cursor of {described(self.reader)} was removed while the {self.kind} was running, with its log "
                "or alone"
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

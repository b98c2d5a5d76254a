"""What a consumer is told to do: a durable reader that hands records to a function of this program."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from outbox.clock import Clock, SystemClock
from outbox.consumers.caught_up import CaughtUpWait
from outbox.consumers.decoding import Delivery, RecordDecoder
from outbox.consumers.in_transaction import InTransaction, WithEffects
from outbox.counting.tally import ReaderTally
from outbox.dead_letters.policy import OnPoison
from outbox.delivery.at_least_once import AtLeastOnce
from outbox.delivery.config import DeliveryConfig
from outbox.delivery.durable_reader import DurableReader
from outbox.delivery.ports import OpenOutbox, Target, Wanted
from outbox.errors import (
    CursorMismatch,
    HistoryLost,
    InvalidConsumer,
    LogReplaced,
    OutboxError,
    OutboxNotCreated,
    PoisonMessage,
)
from outbox.events import OnEvent
from outbox.history.with_history import with_history
from outbox.log.batch import MAX_RECORDS, PORTION
from outbox.log.reader_id import forget_command, reset_command, shares_command
from outbox.log.record import Decode
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.server_errors import patient
from outbox.readers.query import Query
from outbox.readers.selection import warn_of_unknown
from outbox.shares import cursor_admin
from outbox.shares.layout import load, share_cursor
from outbox.shares.reader_logger import ReaderLogger
from outbox.shares.share import Share

To = Literal["earliest", "latest"] | int | datetime
"""Where a position is set to."""


@dataclass(frozen=True)
class ConsumerConfig(DeliveryConfig[Delivery]):
    """See outbox.consumers.consumer.Consumer, whose arguments these are. decode: makes a record's `message`."""

    kind: ClassVar[str] = "consumer"
    drain_seconds: ClassVar[float | None] = None

    query: Query
    decode: Decode

    @property
    def wanted(self) -> Wanted | None:
        """See DeliveryConfig."""
        return wanted(self.query)

    def encoder(self, target: Target[Delivery], log: str) -> RecordDecoder:
        """See DeliveryConfig."""
        # A transaction is of what waits together; for all others, what is decoded late is soon forgotten again.
        portion = MAX_RECORDS if isinstance(target, InTransaction) else PORTION
        return RecordDecoder(self.decode, self.wanted, portion)

    @property
    def begins(self) -> str:
        """See DeliveryConfig."""
        return "handling after seq %d (fence %d)"

    def delivery(self, target: Target[Delivery], share: Share) -> AtLeastOnce:
        """See DeliveryConfig: with its effects, for a handler in a transaction."""
        cursors = share_cursor(self.outbox.collections.cursors, self.reader, share)
        if isinstance(target, InTransaction):
            target.delivery = WithEffects(self.outbox, cursors, target.sessions)
            return target.delivery
        return AtLeastOnce(self.outbox, cursors)

    def hint(self, error: PoisonMessage) -> str:
        """See DeliveryConfig."""
        skip = f"{reset_command(self.reader)} --to {error.seq}"
        return (
            "Remove the cause and run it again; or let it put such messages aside: on_poison='park-key' or "
            f"'dead-letter'; or skip this one for good: {skip}"
        )

    def way_on(self, lost: HistoryLost | LogReplaced | CursorMismatch | OutboxNotCreated) -> str:
        """See DeliveryConfig."""
        if isinstance(lost, OutboxNotCreated):
            return "Create the outbox, and run it again: Outbox(…).create(), or `outbox create APP`"
        return (
            f"`{reset_command(self.reader)} --to earliest` goes on with what the log holds, `--to latest` with what "
            f"comes; `{forget_command(self.reader)}` lets it begin anew where its `start` says"
        )

    def other_shares(self, there_are: int, given: int) -> OutboxError:
        """See DeliveryConfig."""
        return InvalidConsumer(
            f"{self.reader} has {there_are} share(s), not {given}: leave shares= out. "
            f"`{shares_command(self.reader, given)}` changes the number"
        )


def wanted(query: Query) -> Wanted | None:
    """Tells which records a consumer that asks so is given; None for all."""
    is_choosy = query.types is not None or query.key is not None
    return query.wants if is_choosy else None


@dataclass(frozen=True)
class Asked:
    """What a program says of a consumer; see Outbox.consumer. Checked."""

    name: str
    query: Query
    shares: int | None
    on_poison: OnPoison
    tell: OnEvent


class Deliveries(Protocol):
    """Gives a consumer its records and keeps its position: by a server, or in memory (outbox.testing). Thread-safe.

    All but `log` and `run` do what the Consumer's methods of that name say.
    """

    clock: Clock
    """By which its handlers wait for their next attempt."""
    tally: ReaderTally
    """What this process counts for the consumer."""

    def log(self) -> ReaderLogger: ...

    def run(self, target: Target[Delivery], stop: threading.Event, tell: OnEvent) -> None:
        """Gives the target records until `stop` is set; waits for its turn before."""

    def wait_caught_up(self, timeout: float) -> None: ...
    def position(self) -> int | None: ...
    def reset(self, to: To) -> int: ...
    def forget(self) -> bool: ...


class StoredDeliveries:
    """Is Deliveries of an outbox on a server."""

    def __init__(self, outbox: OpenOutbox, asked: Asked, decode: Decode) -> None:
        self.clock: Clock = SystemClock()
        self._outbox = outbox
        self._asked = asked
        name, query = asked.name, asked.query
        source = with_history(outbox, query.history)
        self._config = ConsumerConfig(
            source, name, query.start, asked.on_poison, random.random, query, decode, tell=asked.tell
        )

        self.tally = self._config.tally

    def log(self) -> ReaderLogger:
        return self._config.log()

    def run(self, target: Target[Delivery], stop: threading.Event, tell: OnEvent) -> None:
        """See Deliveries."""
        self._outbox.check_usable()
        DurableReader(replace(self._config, tell=tell), target, shares=self._asked.shares).run(stop, check=self._check)

    def _check(self) -> None:
        self._outbox.log.describe()  # raises if create() was never run
        if self._asked.query.unknown:
            warn_of_unknown(self._outbox.collections, self._asked.query.unknown)

    @outside_bound_session
    def wait_caught_up(self, timeout: float) -> None:
        CaughtUpWait(self._outbox.collections, self._config.reader, self.clock).run(timeout)

    @outside_bound_session
    @patient
    def position(self) -> int | None:
        slowest = load(self._outbox.collections, self._config.reader).slowest
        return None if slowest is None else slowest[0]

    def reset(self, to: To) -> int:
        return cursor_admin.move(self._outbox.collections, self._config.reader, to, self.clock)[1][0]

    def forget(self) -> bool:
        return cursor_admin.forget(self._outbox.collections, self._config.reader, self.clock)

"""Observing the messages of an outbox, reading and consuming them, wherever its log is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar, overload
from weakref import WeakSet

from reactivex import Observable

from outbox.consumers.config import Asked, Deliveries
from outbox.consumers.consumer import Consumer
from outbox.dead_letters.policy import OnPoison
from outbox.events import OnEvent
from outbox.log.record import Decode, Record
from outbox.messages.message_types import Key, MessageTypes
from outbox.readers.observable import Subscriptions
from outbox.readers.query import History, OnGap, Where, asked
from outbox.readers.source import Source
from outbox.readers.start import Start

M = TypeVar("M")

STOP_SECONDS = 2.0


class Stoppable(Protocol):
    """Runs until it is stopped: a consumer, or a projection."""

    id: str

    @property
    def is_running(self) -> bool: ...
    def stop(self) -> None: ...
    def join(self, seconds: float) -> None: ...


class Observing(ABC):
    """What Outbox and outbox.testing.MemoryOutbox have in common. It has no instances of its own."""

    def __init__(self, types: MessageTypes, source: Source) -> None:
        self._types = types
        self._subscriptions = Subscriptions(source, types.decode, self.check_usable)
        self._consumers: WeakSet[Stoppable] = WeakSet()

    @property
    def decode(self) -> Decode:
        """What makes the `message` of a record, for readers that are given records which have none yet."""
        return self._types.decode

    @property
    def message_types(self) -> MessageTypes:
        """The message classes that it was given."""
        return self._types

    def _running_readers(self) -> set[str]:
        """Returns the ids of the consumers and projections that were made with this object and are running."""
        return {each.id for each in list(self._consumers) if each.is_running}

    @abstractmethod
    def _head(self) -> int:
        """Returns the log's newest seq; 0 when nothing was ever appended. Raises OutboxNotCreated, pymongo's errors."""

    @abstractmethod
    def check_usable(self) -> None:
        """Raises OutboxClosed once it is closed, or in a process that was forked."""

    @abstractmethod
    def _deliveries(self, asked: Asked) -> Deliveries:
        """Makes what gives a consumer its records. Asks no server."""

    def _end_reading(self, consumer_seconds: float = STOP_SECONDS) -> None:
        self._end_consumers(consumer_seconds)
        self._subscriptions.complete(STOP_SECONDS)

    def _end_consumers(self, seconds: float) -> None:
        for consumer in list(self._consumers):
            consumer.stop()
        for consumer in list(self._consumers):
            consumer.join(seconds)

    def observe(
        self,
        start: Start = "latest",
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        where: Where | None = None,
        on_gap: OnGap = "error",
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> Observable[Record[Any]]:
        """The records from `start` on, as a cold Observable that goes on until it is disposed of or this is closed.

        start: "latest", "earliest", a seq (inclusive) or a datetime (the first record created then or later; naive
            means UTC), resolved at each subscription.
        types: message classes or type names; None for all. A name that no service has declared is warned of.
        key: one key only, or the value that it is the text of: an int, ObjectId or UUID.
        where: a predicate; what it refuses is passed over. What it raises goes to `on_error`, and names the record.
        on_gap: "error", or a function that is told of HistoryLost before reading goes on at the oldest record.
        on_event: is told what each subscription does (`outbox.events`), on its thread; Stopped comes once, last.
        archive: an outbox.archive.Archive of this outbox, for what the log has forgotten: archive, log and what comes
            are one sequence. With it, "earliest" and 0 are the oldest record that it has.

        Each subscription has a daemon thread that calls `on_next` serially and reads no further while it runs. What
        `on_next` raises goes to `on_error` (also SystemExit: the program goes on), as do HistoryLost, LogReplaced,
        OutboxNotCreated, and errors of the server that do not pass by themselves. With "latest", what is put after
        `subscribe` returned is delivered; it asks the server, for 5 s, or else when that answers. Raises InvalidStart,
        InvalidSelector, InvalidArgument and UnknownMessage.
        """
        self.check_usable()
        return self._subscriptions.observable(asked(self._types, start, types, key, on_gap, where, on_event, archive))

    def read(
        self,
        start: Start = "earliest",
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        where: Where | None = None,
        on_gap: OnGap = "error",
        archive: History | None = None,
    ) -> Iterator[Record[Any]]:
        """The records from `start` to the head, then ends. Never sequences. Takes what `observe` takes.

        Raises what `observe` does, and while iterating HistoryLost, LogReplaced, OutboxNotCreated, pymongo's errors,
        and what `where` raises.
        """
        self.check_usable()
        return self._subscriptions.read(asked(self._types, start, types, key, on_gap, where, history=archive))

    @overload
    def consumer(
        self,
        name: str,
        *,
        types: Sequence[type[M]],
        key: Key | None = None,
        start: Start = "earliest",
        shares: int | None = None,
        concurrency: int = 1,
        attempts: int | None = 10,
        on_poison: OnPoison = "park-key",
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> Consumer[M]: ...
    @overload
    def consumer(
        self,
        name: str,
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        start: Start = "earliest",
        shares: int | None = None,
        concurrency: int = 1,
        attempts: int | None = 10,
        on_poison: OnPoison = "park-key",
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> Consumer[Any]: ...
    def consumer(
        self,
        name: str,
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        start: Start = "earliest",
        shares: int | None = None,
        concurrency: int = 1,
        attempts: int | None = 10,
        on_poison: OnPoison = "park-key",
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> Consumer[Any]:
        """Makes a consumer: it handles messages in this process, and remembers under its name where it is.

        types, key: which messages, as for `observe`. start: where it begins when it has no position yet.
        shares: into how many the keys are divided, so that as many processes can work at a time; counts when it has no
            position yet (None: 1), and must be right later.
        concurrency: how many records of different keys are handled at a time, in each process, or each share of it.
        attempts: how often a failing record is tried before it is given up; None for ever. on_poison: what then
            happens to it: "park-key" keeps it in `NAME.dead`, and the later ones of its key with it; "dead-letter"
            keeps it alone; "stop" raises PoisonMessage.
        on_event: is told what the consumer does, see outbox.events. archive: as for `observe`.

        Asks no server. Raises InvalidConsumer, InvalidName, InvalidStart, InvalidSelector and UnknownMessage."""
        self.check_usable()
        made: Consumer[Any] = Consumer(
            name,
            asked(self._types, start, types, key, history=archive),
            self._types.decode,
            self._deliveries,
            shares=shares,
            concurrency=concurrency,
            attempts=attempts,
            on_poison=on_poison,
            on_event=on_event,
        )
        self._consumers.add(made)
        return made

"""The ports of delivery: where records come from, where they go, and who keeps those that wait.

relay.kafka and relay.testing have the sinks; tests/contract has the suites that every sink passes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar, runtime_checkable

from outbox.errors import OutboxError
from outbox.log.batch import Batch
from outbox.log.log import Log
from outbox.log.position import Mark
from outbox.log.record import Record
from outbox.mongo.collections import Collections
from outbox.mongo.lease import SECONDS
from outbox.readers.start import Start
from outbox.sequencer.change_stream import AWAIT_SECONDS
from outbox.shares.share import Share

Headers = list[tuple[str, str]]
Outgoing = tuple[int, str, str | None, bytes | None, Headers]
"""`(seq, topic, key, value, headers)`, and perhaps more, see relay.origin.

A plain tuple, for speed: one is made for each record."""


Item = TypeVar("Item", bound=Sequence[Any])
"""What is sent for one record: a tuple of its seq and whatever the target takes."""
Taken_contra = TypeVar("Taken_contra", bound=Sequence[Any], contravariant=True)


Wanted = Callable[[Record[Any]], bool]
"""Tells of a record whether a reader handles it at all."""


class Target(Protocol[Taken_contra]):
    """Takes records and says which are done: a sink, or a program's own handler. At least once, in order.

    Order: records of one key (of a sink: of one topic and one key) are done in the order they were sent in. When one of
    them fails, none sent after it with the same key is done.

    Threads: every method is called by one thread at a time. Acknowledgements come on the calling thread, inside
    `poll` only.

    Several: each share of a reader has a target of its own, made by `another`; they know nothing of each other.

    Life: `open`, then `send` and `poll` any number of times, then `close`; then perhaps `open` again.
    """

    def another(self) -> Target[Taken_contra]:
        """Makes one more target with the same settings, not open."""

    def open(self, acknowledged: Callable[[int], object]) -> None:
        """Gets ready. `acknowledged(seq)` will be called for every record that is durably delivered, in any order."""

    def send(self, batch: Sequence[Taken_contra]) -> int:
        """Accepts records from the first on, and returns how many: fewer than given when it is full (then `poll`).

        Never blocks. What it holds is bounded in records and bytes. Raises DeliveryFailed for a record that can
        certainly never be delivered; the ones before it were accepted.
        """

    def poll(self, seconds: float) -> None:
        """Waits up to `seconds` for acknowledgements and passes them on; returns sooner when there are some.

        Raises DeliveryFailed when an accepted record was not delivered and will not be. The sink must then be closed.
        A broker that is away is no failure: the records are kept and sent when it is back.
        """

    def close(self) -> None:
        """Drops what is not delivered yet, without waiting, and releases everything. Nothing is acknowledged after.

        What had already left for the broker may still arrive there. Closing twice does nothing.
        """


@runtime_checkable
class Interruptible(Protocol):
    """A Target whose work may take long, and that can leave the rest of what it accepted undone.

    Its `close` waits for what has begun, and acknowledges that.
    """

    def interrupt(self) -> None:
        """Begins nothing more. `poll` goes on to acknowledge what has begun, and then raises DeliveryFailed."""


class Sink(Target[Outgoing], Protocol):
    """Delivers records to topics: a Target that can look whether these are there."""

    def another(self) -> Sink:
        """Makes one more sink with the same settings, not open."""

    def check(self, topics: Collection[str]) -> None:
        """Checks that these topics can be written to, or creates them if the sink was told to.

        Works whether the sink is open or not. Blocks at most about 15 s. Raises TopicMissing if one cannot be written
        to, Unreachable if no broker answers.
        """


@runtime_checkable
class TransactionalSink(Sink, Protocol):
    """Delivers records in transactions, each with a cursor (a text) that is stored beside them: both or neither.

    Atomicity: whoever reads only what is committed sees the records of a transaction and its cursor, or neither.
    `acknowledged` is called for a record when it is committed, no sooner.

    Fencing: of all that took over under one name only the last can commit. What an earlier one had not committed by
    then is never committed.

    Life: `take_over`, then `store` if wanted, then `open`, `send` and `poll`, and `close`; then `take_over` again.
    `poll` commits when enough has been sent, or when nothing was sent since the last `poll`; it may then take a second
    longer than asked. After DeliveryFailed the last transaction may be committed or not: `take_over` tells which.
    """

    def another(self) -> TransactionalSink:
        """See Sink.another."""

    def take_over(self, name: str, cursor: Callable[[Outgoing], str]) -> str | None:
        """Ends what others have under way as `name`, then returns the cursor committed last; None if there is none.

        `cursor` makes the cursor that is stored with a transaction, from the transaction's last record. Blocks up to
        about 10 s. Raises DeliveryFailed when no broker answers, DeliveryRefused for a missing right.
        """

    def stored(self, name: str) -> Mapping[str, str]:
        """Returns by their names the cursors committed last, of `name` itself and of its shares `name/1` and so on.

        Called after `take_over`, before `open`. Blocks and raises as `take_over`.
        """

    def store(self, cursor: str) -> None:
        """Commits a cursor without records, before `open`. Blocks up to about 5 s. Raises DeliveryFailed."""


class Encoder(Protocol[Item]):
    """Makes what a target takes out of the log's records. Not thread-safe."""

    def encode_plain(self, batch: Batch, share: Share) -> Iterable[tuple[list[Item], list[Mark]]] | None:
        """Encodes the share's records of a whole batch; gives them with their marks, in one portion or in several.

        The last record of a portion always has a mark. None when something in the batch needs `encode`. A portion that
        cannot be decoded raises LogCorrupt.
        """

    def encode(self, records: Sequence[Record[Any]]) -> tuple[list[Item], list[Mark], OutboxError | None]:
        """Encodes the records up to the first that cannot be sent; returns them, their marks, and its error."""


class RecordBatch(Protocol):
    """Holds some records in order, decoded when they are asked for; outbox.log.batch.Batch is one."""

    @property
    def gives(self) -> int: ...
    def records(self) -> Sequence[Record[Any]]: ...


class BatchReader(Protocol):
    """Reads records in order, from a position on; the contract is outbox.readers.reader.LogReader's."""

    def read_batches(self) -> Sequence[RecordBatch]: ...
    def wait(self, seconds: float) -> bool: ...
    def move(self, position: int) -> None: ...


class LogBatchReader(BatchReader, Protocol):
    """Reads whole batches of one log; the contract is outbox.readers.reader.LogReader's."""

    @property
    def identity(self) -> str: ...
    def read_batches(self) -> Sequence[Batch]: ...
    def wake(self) -> None: ...
    def close(self) -> None: ...


class Parking(Protocol):
    """Keeps records that wait behind a dead letter of their key."""

    @property
    def is_idle(self) -> bool:
        """Tells whether it is certain that no record has to wait; then `park` need not be called."""

    def park(self, records: Sequence[Record[Any]]) -> Collection[int]:
        """Puts aside the records that must wait, and returns their seqs: they count as delivered.

        Called with up to CHUNK records, again with the same ones after a failure.
        """


class LeaseHold(Protocol):
    """What the pump needs of outbox.mongo.lease.Lease; somebody else beats for it."""

    def check(self) -> None: ...


class OpenOutbox(Protocol):
    """What a durable reader needs of an outbox.Outbox."""

    @property
    def name(self) -> str: ...
    @property
    def collections(self) -> Collections: ...
    @property
    def log(self) -> Log: ...
    def check_usable(self) -> None: ...
    def reader(self, start: Start = "earliest") -> LogBatchReader: ...
    def running(self, await_seconds: float = AWAIT_SECONDS, lease: float = SECONDS) -> AbstractContextManager[Any]: ...

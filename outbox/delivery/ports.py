"""The ports of delivery: where records come from and go to, and who keeps what of it; each adapter passes its contract.

relay.kafka and relay.testing have the sinks, tests/contract the suites.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from outbox.errors import OutboxError
from outbox.log.batch import Batch
from outbox.log.log import Log
from outbox.log.position import Mark
from outbox.log.record import Record
from outbox.mongo.collections import Collections
from outbox.readers.reader import LogReader
from outbox.readers.start import Start
from outbox.shares.share import Share

Headers = list[tuple[str, str]]
Outgoing = tuple[int, str, str | None, bytes | None, Headers]
"""`(seq, topic, key, value, headers)`. A plain tuple, for it is made once a record on the hot path."""


class Sink(Protocol):
    """Delivers records to topics, at least once and in order.

    Order: records of one topic and one key arrive in the order they were sent in. When one of them fails, none sent
    after it with the same topic and key arrives.

    Threads: every method is called by one thread at a time. Acknowledgements come on the calling thread, inside
    `poll` only.

    Several: the shares of a relay have one each, made by `another`; they know nothing of each other.

    Life: `open`, then `send` and `poll` as often as one likes, then `close`; and `open` again, as often as needed.
    """

    def another(self) -> Sink:
        """One more with the same settings, not open."""

    def check(self, topics: Collection[str]) -> None:
        """Raises TopicMissing if one of them cannot be written to, Unreachable if no broker answers.

        May create them, if the sink was told to. Works whether the sink is open or not. Blocks at most about 15 s.
        """

    def open(self, acknowledged: Callable[[int], object]) -> None:
        """Gets ready. `acknowledged(seq)` will be called for every record that is durably delivered, in any order."""

    def send(self, batch: Sequence[Outgoing]) -> int:
        """Accepts records, the first ones first, and says how many: fewer than given when it is full (then `poll`).

        Never blocks. What it holds is bounded in records and bytes. Raises DeliveryFailed for a record that it can
        tell will never be delivered; the ones before it were accepted.
        """

    def poll(self, seconds: float) -> None:
        """Waits up to `seconds` for acknowledgements and hands them out; returns sooner when there are some.

        Raises DeliveryFailed when an accepted record was not delivered and will not be. The sink must then be closed.
        A broker that is away is no failure: the records are kept and sent when it is back.
        """

    def close(self) -> None:
        """Drops what is not delivered yet, without waiting, and releases everything. Nothing is acknowledged after.

        What had already left for the broker may still arrive there. Closing twice does nothing.
        """


@runtime_checkable
class TransactionalSink(Sink, Protocol):
    """A sink whose records become readable together with a cursor, a text that is stored beside them: both or neither.

    Atomicity: a reader that asks for what is committed sees the records of a transaction, and the cursor stored by it,
    or none of both. `acknowledged` is called for a record when it is committed, no sooner.

    Fencing: of those who took over under one name only the last can commit. What an earlier one had not committed by
    then is never committed.

    Life: `take_over`, then `store` if wanted, then `open`, `send` and `poll`, and `close`; then `take_over` again.
    `poll` commits when enough has been sent, or nothing since the last `poll`, and may take a second for it beyond
    its time. After DeliveryFailed it may be unknown whether the last transaction was committed: `take_over` tells.
    """

    def another(self) -> TransactionalSink:
        """See Sink.another."""

    def take_over(self, name: str, cursor: Callable[[Outgoing], str]) -> str | None:
        """Ends what others have under way as `name`, then reads the cursor committed last; None: there is none.

        `cursor` gives the cursor to be stored with a transaction, from the last of its records. Blocks up to about
        10 s. Raises DeliveryFailed when no broker answers, DeliveryRefused for a missing right.
        """

    def stored(self, name: str) -> Mapping[str, str]:
        """The cursors committed last of `name` itself and of its shares, which are `name/1` and so on, by their names.

        Called after `take_over`, before `open`. Blocks and raises as `take_over`.
        """

    def store(self, cursor: str) -> None:
        """Commits a cursor alone, before `open`. Blocks up to about 5 s. Raises DeliveryFailed."""


class Encoder(Protocol):
    """Makes of the log's records what a sink sends. Not thread-safe."""

    def encode_plain(self, batch: Batch, share: Share) -> tuple[list[Outgoing], list[Mark]] | None:
        """Encodes those of a batch's records that the share takes, without decoding them, and gives their marks, with
        always that of the last record. None when something in it needs `encode` to decide."""

    def encode(self, records: Sequence[Record[Any]]) -> tuple[list[Outgoing], list[Mark], OutboxError | None]:
        """Encodes the records up to the first that cannot go out; gives their marks, and that one's error."""


class RecordBatch(Protocol):
    """Some records in order, such as an outbox.log.batch.Batch; decoded when they are asked for."""

    def records(self) -> Sequence[Record[Any]]: ...


class BatchReader(Protocol):
    """Gives the records in order, from a position on; the contract is outbox.readers.reader.LogReader's."""

    def read_batches(self) -> Sequence[RecordBatch]: ...
    def wait(self, seconds: float) -> bool: ...
    def move(self, position: int) -> None: ...


class LogBatchReader(BatchReader, Protocol):
    """Gives whole batches of one log; the contract is outbox.readers.reader.LogReader's."""

    @property
    def identity(self) -> str: ...
    def read_batches(self) -> Sequence[Batch]: ...
    def close(self) -> None: ...


class Parking(Protocol):
    """Where records wait behind a dead letter of their key."""

    @property
    def is_idle(self) -> bool:
        """Whether it is certain that no record has to wait, so that `park` need not be asked."""

    def park(self, records: Sequence[Record[Any]]) -> Collection[int]:
        """Puts aside those of the records that must wait, and says which, by seq: they count as delivered.

        Called with up to CHUNK records, again with the same ones after a failure.
        """


class LeaseHold(Protocol):
    """What the pump needs of outbox.mongo.lease.Lease."""

    def check(self) -> None: ...
    def renew_if_due(self) -> bool: ...


class OpenOutbox(Protocol):
    """What a durable reader needs of an outbox.Outbox."""

    @property
    def name(self) -> str: ...
    @property
    def collections(self) -> Collections: ...
    @property
    def log(self) -> Log: ...
    def reader(self, start: Start = "earliest") -> LogReader: ...

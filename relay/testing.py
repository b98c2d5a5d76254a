"""Sinks that keep records in memory, for tests without a broker. They pass the same contract suite as Kafka's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from outbox.delivery.ports import Outgoing
from outbox.shares.share import is_of
from relay.errors import DeliveryFailed, TopicMissing, Verdict
from relay.origin import Origin


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """A record as a consumer would get it: everything but the topic in bytes."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int | None = None
    """Milliseconds, where the relay was told to send them."""

    @property
    def seq(self) -> int:
        """The header `seq`."""
        return int(dict(self.headers)["seq"])


@dataclass
class MemoryBroker:
    """Where sinks that were made of each other deliver to."""

    records: list[MemoryRecord] = field(default_factory=list)
    """What has arrived, in order."""
    away: bool = False
    """True: the broker does not answer; what is accepted waits."""
    refused: dict[int, Verdict] = field(default_factory=dict)
    """seq → verdict: records that fail when they would arrive."""
    cursors: dict[str, bytes] = field(default_factory=dict)
    """The committed cursor of each name."""
    epochs: dict[str, int] = field(default_factory=dict)
    """How often each name was taken over."""


class MemorySink:
    """See outbox.delivery.ports.Sink. Records arrive in `poll`, all that were accepted, unless `away`.

    topics: the topics that exist; None: any. capacity: records it holds before it is full. largest: bytes of key and
    value that it takes at most.
    """

    def __init__(
        self, topics: Collection[str] | None = None, *, capacity: int = 10_000, largest: int = 64 << 20
    ) -> None:
        self.broker = MemoryBroker()
        self.opened = 0
        """How often it was opened."""
        self._topics = None if topics is None else set(topics)
        self._capacity = capacity
        self._largest = largest
        self._queue: deque[tuple[int, MemoryRecord]] = deque()
        self._acknowledged: Callable[[int], object] | None = None

    @property
    def records(self) -> list[MemoryRecord]:
        """What has arrived at the broker, in order."""
        return self.broker.records

    @property
    def away(self) -> bool:
        """True: the broker does not answer; what is accepted waits."""
        return self.broker.away

    @away.setter
    def away(self, away: bool) -> None:
        self.broker.away = away

    @property
    def refused(self) -> dict[int, Verdict]:
        """seq → verdict: records that fail when they would arrive."""
        return self.broker.refused

    @refused.setter
    def refused(self, refused: dict[int, Verdict]) -> None:
        self.broker.refused = refused

    def another(self) -> MemorySink:
        """See Sink.another. It has the same broker."""
        made = MemorySink(self._topics, capacity=self._capacity, largest=self._largest)
        made.broker = self.broker
        return made

    def check(self, topics: Collection[str]) -> None:
        """See Sink.check."""
        if self._topics is not None and (missing := set(topics) - self._topics):
            raise TopicMissing(f"no such topic: {', '.join(sorted(missing))}")

    def open(self, acknowledged: Callable[[int], object]) -> None:
        """See Sink.open."""
        self.close()
        self.opened += 1
        self._acknowledged = acknowledged

    def send(self, batch: Sequence[Outgoing]) -> int:
        """See Sink.send."""
        self._opened()
        origin: list[Origin]
        for taken, (seq, topic, key, value, headers, *origin) in enumerate(batch):
            if len(self._queue) >= self._capacity:
                return taken
            encoded = None if key is None else key.encode()
            if len(value or b"") + len(encoded or b"") > self._largest:
                raise DeliveryFailed(seq, Verdict.POISON, f"larger than {self._largest} bytes")
            pairs = tuple((name, text.encode()) for name, text in headers)
            record = MemoryRecord(topic, encoded, value, pairs, (origin[0].date or None) if origin else None)
            self._queue.append((seq, record))
        return len(batch)

    def poll(self, seconds: float) -> None:
        """See Sink.poll. Never waits."""
        acknowledged = self._opened()
        while self._queue and not self.away:
            seq, record = self._queue.popleft()
            if seq in self.refused:
                self._queue.clear()
                raise DeliveryFailed(seq, self.refused[seq], "refused")
            self.records.append(record)
            acknowledged(seq)

    def close(self) -> None:
        """See Sink.close."""
        self._queue.clear()
        self._acknowledged = None

    def _opened(self) -> Callable[[int], object]:
        if self._acknowledged is None:
            raise RuntimeError("the sink is not open: call open() first")
        return self._acknowledged


class MemoryTransactions(MemorySink):
    """See outbox.delivery.ports.TransactionalSink. `records` are the committed ones; everything else as MemorySink.

    beside: another sink whose broker this one shares, as a relay in another process does.
    """

    def __init__(
        self,
        topics: Collection[str] | None = None,
        *,
        capacity: int = 10_000,
        largest: int = 64 << 20,
        beside: MemoryTransactions | None = None,
    ) -> None:
        super().__init__(topics, capacity=capacity, largest=largest)
        if beside is not None:
            self.broker = beside.broker
        self.before_commit: Callable[[], object] = _nothing
        """Called before a transaction is committed; what it raises, the broker says instead."""
        self.after_commit: Callable[[], object] = _nothing
        """Called after a transaction is committed; what it raises comes instead of the broker's answer."""
        self._name: str | None = None
        self._epoch = 0
        self._cursor: Callable[[Outgoing], str] | None = None
        self._last: Outgoing | None = None

    @property
    def cursors(self) -> dict[str, bytes]:
        """The committed cursor of each name."""
        return self.broker.cursors

    def another(self) -> MemoryTransactions:
        """See Sink.another. It has the same broker."""
        return MemoryTransactions(self._topics, capacity=self._capacity, largest=self._largest, beside=self)

    def take_over(self, name: str, cursor: Callable[[Outgoing], str]) -> str | None:
        """See TransactionalSink.take_over."""
        self.close()
        if self.away:
            raise DeliveryFailed(None, Verdict.RETRY, "the broker does not answer")
        epochs = self.broker.epochs
        self._epoch = epochs[name] = epochs.get(name, 0) + 1
        self._name, self._cursor = name, cursor
        stored = self.cursors.get(name)
        return None if stored is None else stored.decode(errors="replace")

    def stored(self, name: str) -> Mapping[str, str]:
        """See TransactionalSink.stored."""
        return {relay: text.decode(errors="replace") for relay, text in self.cursors.items() if is_of(relay, name)}

    def store(self, cursor: str) -> None:
        """See TransactionalSink.store."""
        self._commit([], cursor)

    def open(self, acknowledged: Callable[[int], object]) -> None:
        """See Sink.open."""
        self._taken_over()
        self.opened += 1
        self._acknowledged = acknowledged

    def send(self, batch: Sequence[Outgoing]) -> int:
        """See Sink.send."""
        try:
            return super().send(batch)
        finally:  # also when a record after those that were taken is refused
            last = self._queue[-1][0] if self._queue else None
            self._last = next((outgoing for outgoing in batch if outgoing[0] == last), self._last)

    def poll(self, seconds: float) -> None:
        """See TransactionalSink.poll. Commits all that was sent, and never waits."""
        acknowledged, last = self._opened(), self._last
        if last is None or self.away:
            return
        for seq, _ in self._queue:
            if seq in self.refused:
                raise DeliveryFailed(seq, self.refused[seq], "refused")
        cursor = self._cursor
        assert cursor is not None
        sent = list(self._queue)
        self._commit([record for _, record in sent], cursor(last))
        self._queue.clear()
        self._last = None
        for seq, _ in sent:
            acknowledged(seq)

    def _commit(self, records: Sequence[MemoryRecord], cursor: str) -> None:
        name = self._taken_over()
        self.before_commit()
        if self.broker.epochs[name] != self._epoch:
            raise DeliveryFailed(None, Verdict.RETRY, "fenced: another has taken over")
        self.records.extend(records)
        self.cursors[name] = cursor.encode()
        self.after_commit()

    def close(self) -> None:
        """See Sink.close."""
        super().close()
        self._name = self._last = None

    def _taken_over(self) -> str:
        if self._name is None:
            raise RuntimeError("nothing was taken over: call take_over() first")
        return self._name


def _nothing() -> None:
    """Does nothing."""

"""A sink that keeps records in memory, for tests without a broker. It passes the same contract suite as Kafka's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from relay.errors import DeliveryFailed, TopicMissing, Verdict
from relay.sink import Outgoing


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """A record as a consumer would get it: everything but the topic in bytes."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def seq(self) -> int:
        """The header `seq`."""
        return int(dict(self.headers)["seq"])


class MemorySink:
    """See relay.sink.Sink. Records arrive in `poll`, all that were accepted, unless `away`.

    topics: the topics that exist; None: any. capacity: records it holds before it is full. largest: bytes of key and
    value that it takes at most.
    """

    def __init__(
        self, topics: Collection[str] | None = None, *, capacity: int = 10_000, largest: int = 8 << 20
    ) -> None:
        self.records: list[MemoryRecord] = []
        """What has arrived, in order."""
        self.away = False
        """True: as a broker that does not answer; what is accepted waits."""
        self.refused: dict[int, Verdict] = {}
        """seq → verdict: records that fail when they would arrive."""
        self.opened = 0
        """How often it was opened."""
        self._topics = None if topics is None else set(topics)
        self._capacity = capacity
        self._largest = largest
        self._queue: deque[tuple[int, MemoryRecord]] = deque()
        self._acknowledged: Callable[[int], object] | None = None

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
        for taken, (seq, topic, key, value, headers) in enumerate(batch):
            if len(self._queue) >= self._capacity:
                return taken
            encoded = None if key is None else key.encode()
            if len(value or b"") + len(encoded or b"") > self._largest:
                raise DeliveryFailed(seq, Verdict.POISON, f"larger than {self._largest} bytes")
            record = MemoryRecord(topic, encoded, value, tuple((name, text.encode()) for name, text in headers))
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
    """See relay.transactions.Transactions. `records` are the committed ones; everything else as MemorySink.

    beside: another one, whose broker this one shares: a relay in another process.
    """

    def __init__(
        self,
        topics: Collection[str] | None = None,
        *,
        capacity: int = 10_000,
        largest: int = 8 << 20,
        beside: MemoryTransactions | None = None,
    ) -> None:
        super().__init__(topics, capacity=capacity, largest=largest)
        self.cursors: dict[str, bytes] = {} if beside is None else beside.cursors
        """The committed cursor of each name."""
        self.before_commit: Callable[[], object] = _nothing
        """Called before a transaction is committed; what it raises, the broker says instead."""
        self.after_commit: Callable[[], object] = _nothing
        """Called after; what it raises is heard instead of the broker's answer."""
        self._epochs: dict[str, int] = {} if beside is None else beside._epochs
        if beside is not None:
            self.records = beside.records
        self._name: str | None = None
        self._epoch = 0
        self._cursor: Callable[[Outgoing], str] | None = None
        self._last: Outgoing | None = None

    def take_over(self, name: str, cursor: Callable[[Outgoing], str]) -> str | None:
        """See Transactions.take_over."""
        self.close()
        if self.away:
            raise DeliveryFailed(None, Verdict.RETRY, "the broker does not answer")
        self._epoch = self._epochs[name] = self._epochs.get(name, 0) + 1
        self._name, self._cursor = name, cursor
        stored = self.cursors.get(name)
        return None if stored is None else stored.decode()

    def store(self, cursor: str) -> None:
        """See Transactions.store."""
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
            self._last = next((each for each in batch if each[0] == last), self._last)

    def poll(self, seconds: float) -> None:
        """See Transactions. Commits all that was sent, and never waits."""
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
        if self._epochs[name] != self._epoch:
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
    """Nothing happens."""

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

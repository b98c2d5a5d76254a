"""What every sink promises (outbox/delivery/ports.py), asked of each adapter."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import pytest

from outbox.delivery.ports import Outgoing, Sink
from relay.errors import DeliveryFailed, TopicMissing, Verdict
from relay.kafka.sink import KafkaSink
from relay.kafka.transactional_sink import KafkaTransactions
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.consumer import headers, read_topic, topic_exists
from tests.servers.kafka import create_cursor_topic, create_topic
from tests.waiting import wait_until

Arrived = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


class Bench(ABC):
    """A sink, the one topic that it can write to, and what arrived there."""

    sink: Sink
    topic: str
    arrives_by_itself = True
    """Without `poll`."""

    @abstractmethod
    def arrived(self, count: int) -> list[Arrived]:
        """What is in the topic, as soon as `count` records are."""

    @abstractmethod
    def small(self) -> Sink:
        """Another sink, for 100 records at a time."""

    def exists(self, topic: str) -> bool:
        return topic == self.topic


class MemoryBench(Bench):
    def __init__(self) -> None:
        self.topic = "topic"
        self.sink = self._memory = MemorySink({self.topic})

    def small(self) -> Sink:
        return MemorySink({self.topic}, capacity=100)

    def arrived(self, count: int) -> list[Arrived]:
        return [(each.key, each.value, list(each.headers)) for each in self._memory.records]


class KafkaBench(Bench):
    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self.sink = KafkaSink(bootstrap)
        self._bootstrap = bootstrap

    def small(self) -> Sink:
        return KafkaSink(self._bootstrap, {"queue.buffering.max.messages": "100"})

    def arrived(self, count: int) -> list[Arrived]:
        messages = read_topic(self._bootstrap, self.topic, lambda found: len(found) >= count)
        return [(_bytes(each.key()), _bytes(each.value()), headers(each)) for each in messages]

    def exists(self, topic: str) -> bool:
        return topic_exists(self._bootstrap, topic)


class TakingOver(KafkaTransactions):
    def open(self, acknowledged: Callable[[int], object]) -> None:
        self.take_over(f"test/{id(self)}", lambda last: str(last[0]))
        super().open(acknowledged)


class TakingOverInMemory(MemoryTransactions):
    def open(self, acknowledged: Callable[[int], object]) -> None:
        self.take_over("test", lambda last: str(last[0]))
        super().open(acknowledged)


class MemoryTransactionsBench(MemoryBench):
    arrives_by_itself = False

    def __init__(self) -> None:
        super().__init__()
        self.sink = self._memory = TakingOverInMemory({self.topic})

    def small(self) -> Sink:
        return TakingOverInMemory({self.topic}, capacity=100)


class KafkaTransactionsBench(KafkaBench):
    arrives_by_itself = False

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__(bootstrap, topic)
        create_cursor_topic(bootstrap)
        self.sink = TakingOver(bootstrap)

    def small(self) -> Sink:
        return TakingOver(self._bootstrap, {"queue.buffering.max.messages": "100"})


def _bytes(value: object) -> bytes | None:
    assert value is None or isinstance(value, bytes)
    return value


@pytest.fixture(params=[MemoryBench, MemoryTransactionsBench, KafkaBench, KafkaTransactionsBench])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    kind = request.param
    made: Bench
    if issubclass(kind, MemoryBench):
        made = kind()
    else:
        bootstrap, topic = request.getfixturevalue("kafka"), f"test.{uuid.uuid4().hex}"
        create_topic(bootstrap, topic, partitions=1)
        made = kind(bootstrap, topic)
    yield made
    made.sink.close()


def outgoing(topic: str, seq: int, *, key: str | None = "k", value: bytes | None = b"v") -> Outgoing:
    return seq, topic, key, value, [("seq", str(seq)), ("name", "Zoë")]


def send_all(sink: Sink, batch: list[Outgoing], acknowledged: list[int]) -> None:
    """Sends a batch through a sink that may be full, and waits for it."""
    expected = len(acknowledged) + len(batch)
    rest = batch

    def done() -> bool:
        nonlocal rest
        rest = rest[sink.send(rest) :]
        sink.poll(0.01)
        return not rest and len(acknowledged) == expected

    wait_until(done, 30, "all to be acknowledged")


def test_every_record_sent_is_acknowledged_once(bench: Bench) -> None:
    acknowledged: list[int] = []
    bench.sink.open(acknowledged.append)

    send_all(bench.sink, [outgoing(bench.topic, seq) for seq in range(1, 501)], acknowledged)

    assert sorted(acknowledged) == list(range(1, 501))


def test_key_value_and_headers_arrive_as_utf8(bench: Bench) -> None:
    acknowledged: list[int] = []
    bench.sink.open(acknowledged.append)

    send_all(bench.sink, [outgoing(bench.topic, 7, key="Ключ", value=b'{"a":1}')], acknowledged)

    assert bench.arrived(1) == [
        ("Ключ".encode(), b'{"a":1}', [("seq", b"7"), ("name", "Zoë".encode())]),
    ]


def test_null_stays_null(bench: Bench) -> None:
    acknowledged: list[int] = []
    bench.sink.open(acknowledged.append)

    send_all(bench.sink, [outgoing(bench.topic, 1, key=None, value=None)], acknowledged)

    ((key, value, _),) = bench.arrived(1)
    assert (key, value) == (None, None)


def test_an_empty_key_is_not_null(bench: Bench) -> None:
    acknowledged: list[int] = []
    bench.sink.open(acknowledged.append)

    send_all(bench.sink, [outgoing(bench.topic, 1, key="")], acknowledged)

    assert bench.arrived(1)[0][0] == b""


def test_records_of_a_key_arrive_in_the_order_they_were_sent_in(bench: Bench) -> None:
    acknowledged: list[int] = []
    bench.sink.open(acknowledged.append)

    send_all(bench.sink, [outgoing(bench.topic, seq, value=b"%d" % seq) for seq in range(1000)], acknowledged)

    assert [value for _, value, _ in bench.arrived(1000)] == [b"%d" % seq for seq in range(1000)]


def test_nothing_is_acknowledged_outside_poll(bench: Bench) -> None:
    acknowledged: list[int] = []
    bench.sink.open(acknowledged.append)

    bench.sink.send([outgoing(bench.topic, 1)])
    if bench.arrives_by_itself:
        bench.arrived(1)  # at Kafka it is there by now

    assert acknowledged == []


def test_a_full_sink_takes_the_first_ones_and_the_rest_after_a_poll(bench: Bench) -> None:
    sink, acknowledged = bench.small(), list[int]()
    sink.open(acknowledged.append)
    batch = [outgoing(bench.topic, seq, value=b"%d" % seq) for seq in range(250)]

    assert sink.send(batch) == 100
    rest = batch[100:]

    def done() -> bool:
        nonlocal rest
        sink.poll(0.01)
        rest = rest[sink.send(rest) :]
        return len(acknowledged) == 250

    wait_until(done, 30, "the rest")
    sink.close()
    assert sorted(acknowledged) == list(range(250))


def test_after_close_nothing_is_acknowledged_and_it_can_be_opened_again(bench: Bench) -> None:
    first: list[int] = []
    second: list[int] = []
    bench.sink.open(first.append)
    bench.sink.send([outgoing(bench.topic, 1)])
    bench.sink.close()

    bench.sink.open(second.append)
    send_all(bench.sink, [outgoing(bench.topic, 2)], second)

    assert (first, second) == ([], [2])


def test_closing_twice_does_nothing(bench: Bench) -> None:
    bench.sink.open(lambda _: None)
    bench.sink.close()
    bench.sink.close()


def test_a_sink_that_is_not_open_says_so(bench: Bench) -> None:
    with pytest.raises(RuntimeError, match="open"):
        bench.sink.send([outgoing(bench.topic, 1)])


def test_a_missing_topic_is_named_and_not_created(bench: Bench) -> None:
    missing = f"test.{uuid.uuid4().hex}"

    with pytest.raises(TopicMissing, match=missing):
        bench.sink.check([bench.topic, missing])

    assert not bench.exists(missing)


def test_a_topic_that_is_there_passes(bench: Bench) -> None:
    bench.sink.check([bench.topic])


def test_a_record_too_large_for_any_broker_is_poison_and_the_ones_before_it_are_taken(bench: Bench) -> None:
    acknowledged: list[int] = []
    bench.sink.open(acknowledged.append)
    batch = [outgoing(bench.topic, 1), outgoing(bench.topic, 2, value=bytes((64 << 20) + 1))]

    with pytest.raises(DeliveryFailed) as failed:
        bench.sink.send(batch)

    assert (failed.value.seq, failed.value.verdict) == (2, Verdict.POISON)

    def first_arrived() -> bool:
        bench.sink.poll(0.01)
        return acknowledged == [1]

    wait_until(first_arrived, 30, "the first record")


def test_another_one_is_not_open_and_its_end_is_not_the_firsts(bench: Bench) -> None:
    acknowledged: list[int] = []
    bench.sink.open(acknowledged.append)

    another = bench.sink.another()
    assert type(another) in type(bench.sink).__mro__
    with pytest.raises(RuntimeError):
        another.send([outgoing(bench.topic, 9)])
    another.close()
    send_all(bench.sink, [outgoing(bench.topic, 1)], acknowledged)

    assert acknowledged == [1]

"""What every sink with transactions promises beyond a sink (relay/transactions.py), asked of each adapter."""

from __future__ import annotations

import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator

import pytest

from outbox.delivery.ports import Outgoing, TransactionalSink
from relay.errors import DeliveryFailed, Verdict
from relay.kafka.transactional_sink import KafkaTransactions
from relay.testing import MemoryTransactions
from tests.actors.consumer import header, read_topic
from tests.servers.kafka import create_cursor_topic, create_topic
from tests.waiting import wait_until


class Bench(ABC):
    """Two sinks of one broker, and what those who read committed find in its one topic."""

    first: TransactionalSink
    second: TransactionalSink

    def __init__(self) -> None:
        self.topic = f"test.{uuid.uuid4().hex}"
        self.name = f"test/{uuid.uuid4().hex}"

    @abstractmethod
    def committed(self, count: int) -> list[int]:
        """The seqs that can be read, as soon as `count` can."""

    def outgoing(self, seq: int, size: int = 1) -> Outgoing:
        return seq, self.topic, "k", b"v" * size, [("seq", str(seq))]

    def deliver(self, sink: TransactionalSink, *seqs: int) -> None:
        acknowledged: list[int] = []
        sink.open(acknowledged.append)
        assert sink.send([self.outgoing(seq) for seq in seqs]) == len(seqs)

        def done() -> bool:
            sink.poll(0.02)
            return acknowledged == list(seqs)

        wait_until(done, 30, "the transaction to be committed")


class MemoryBench(Bench):
    def __init__(self, _: pytest.FixtureRequest) -> None:
        super().__init__()
        self.first = self._memory = MemoryTransactions()
        self.second = MemoryTransactions(beside=self.first)

    def committed(self, count: int) -> list[int]:
        return [record.seq for record in self._memory.records]


class KafkaBench(Bench):
    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__()
        self._bootstrap = request.getfixturevalue("kafka")
        create_topic(self._bootstrap, self.topic, partitions=1)
        create_cursor_topic(self._bootstrap)
        self.first, self.second = KafkaTransactions(self._bootstrap), KafkaTransactions(self._bootstrap)

    def committed(self, count: int) -> list[int]:
        found = read_topic(self._bootstrap, self.topic, lambda messages: len(messages) >= count)
        return [int(header(message, "seq")) for message in found]


@pytest.fixture(params=[MemoryBench, KafkaBench])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made: Bench = request.param(request)
    yield made
    made.first.close()
    made.second.close()


def after(last: Outgoing) -> str:
    return f"after {last[0]}"


def test_the_first_to_take_over_finds_no_cursor(bench: Bench) -> None:
    assert bench.first.take_over(bench.name, after) is None


def test_a_transaction_stores_the_cursor_after_its_last_record(bench: Bench) -> None:
    bench.first.take_over(bench.name, after)
    bench.deliver(bench.first, 1, 2, 3)

    assert bench.second.take_over(bench.name, after) == "after 3"
    assert bench.committed(3) == [1, 2, 3]


def test_a_cursor_can_be_stored_alone(bench: Bench) -> None:
    bench.first.take_over(bench.name, after)
    bench.first.store("from here")
    bench.first.store("no, from here")

    assert bench.second.take_over(bench.name, after) == "no, from here"


def test_each_name_has_a_cursor_of_its_own(bench: Bench) -> None:
    bench.first.take_over(bench.name, after)
    bench.first.store("mine")

    assert bench.second.take_over(f"{bench.name}-other", after) is None
    bench.second.store("theirs")
    assert bench.first.take_over(bench.name, after) == "mine"


def test_what_was_not_committed_when_it_was_closed_never_is(bench: Bench) -> None:
    bench.first.take_over(bench.name, after)
    bench.first.open(lambda _: None)
    bench.first.send([bench.outgoing(1)])
    bench.first.close()

    assert bench.first.take_over(bench.name, after) is None
    bench.deliver(bench.first, 2)
    assert bench.committed(1) == [2]


def test_one_that_was_taken_over_can_commit_no_record(bench: Bench) -> None:
    acknowledged: list[int] = []
    bench.first.take_over(bench.name, after)
    bench.first.open(acknowledged.append)
    bench.first.send([bench.outgoing(1)])

    assert bench.second.take_over(bench.name, after) is None

    def fenced() -> DeliveryFailed | None:
        try:
            bench.first.poll(0.02)
        except DeliveryFailed as failed:
            return failed
        return None

    assert re.search("fenced|an old epoch", str(wait_until(fenced, 30, "the first to notice")))
    assert acknowledged == []
    bench.deliver(bench.second, 2)
    assert bench.committed(1) == [2]


def test_one_that_was_taken_over_can_store_no_cursor(bench: Bench) -> None:
    bench.first.take_over(bench.name, after)
    bench.second.take_over(bench.name, after)

    with pytest.raises(DeliveryFailed) as fenced:
        bench.first.store("stale")

    assert fenced.value.verdict is Verdict.RETRY
    assert bench.second.take_over(bench.name, after) is None


def test_names_do_not_fence_each_other(bench: Bench) -> None:
    bench.first.take_over(bench.name, after)
    bench.second.take_over(f"{bench.name}-other", after)

    bench.deliver(bench.first, 1)

    assert bench.committed(1) == [1]


def test_one_that_took_nothing_over_says_so(bench: Bench) -> None:
    with pytest.raises(RuntimeError, match="take_over|open"):
        bench.first.open(lambda _: None)

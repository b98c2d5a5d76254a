"""What only a real broker can show of the Kafka sink."""

from __future__ import annotations

import uuid
from typing import Any, cast

import pytest

from outbox.delivery.ports import Outgoing
from relay.errors import DeliveryFailed, Unreachable, Verdict
from relay.kafka.sink import KafkaSink
from relay.origin import Origin
from tests.actors.consumer import create_small_topic, read_topic, topic_exists
from tests.actors.sink_user import failure_of, outgoing, seqs_in
from tests.servers.kafka import KafkaBroker, create_topic
from tests.waiting import wait_until

LIMIT = 10_000
"""max.message.bytes of the small topic."""


@pytest.fixture
def small_topic(kafka: str, topic_name: str) -> str:
    """One partition, which takes batches of LIMIT bytes at most."""
    create_small_topic(kafka, topic_name, LIMIT)
    return topic_name


def deliver(sink: KafkaSink, batch: list[Outgoing], acknowledged: list[int]) -> None:
    assert sink.send(batch) == len(batch)

    def done() -> bool:
        sink.poll(0.05)
        return len(acknowledged) == len(batch)

    wait_until(done, 30, "all to be acknowledged")


def fails(sink: KafkaSink) -> DeliveryFailed:
    failed = failure_of(sink)
    sink.close()
    return failed


def test_a_batch_refused_as_a_whole_is_sent_again_one_by_one_and_its_innocent_records_arrive(
    kafka: str, small_topic: str
) -> None:
    sink, acknowledged = KafkaSink(kafka, {"linger.ms": "200"}), list[int]()
    batch = [outgoing(small_topic, seq, size=2_000) for seq in range(1, 21)]  # together too large, each small enough
    sink.open(acknowledged.append)
    sink.send(batch)

    refused = fails(sink)
    sink.open(acknowledged.append)
    deliver(sink, batch, acknowledged)
    sink.close()

    assert refused.verdict is Verdict.RETRY
    assert "one by one" in refused.reason
    assert seqs_in(kafka, small_topic, 20) == list(range(1, 21))


def test_a_record_refused_by_itself_is_poison_and_none_after_it_arrives(kafka: str, small_topic: str) -> None:
    sink, acknowledged = KafkaSink(kafka), list[int]()
    sink.open(acknowledged.append)
    sink.send([outgoing(small_topic, 1, size=LIMIT + 1)])
    assert fails(sink).verdict is Verdict.RETRY  # it may have been its batch

    sink.open(acknowledged.append)
    sink.send([outgoing(small_topic, seq, size=LIMIT + 1 if seq == 3 else 10) for seq in range(1, 11)])
    poison = fails(sink)

    assert (poison.verdict, poison.seq) == (Verdict.POISON, 3)
    assert sorted(acknowledged) == [1, 2]
    assert seqs_in(kafka, small_topic, 2) == [1, 2]


def test_without_the_gapless_setting_later_records_of_the_key_overtake_the_refused_one(
    kafka: str, small_topic: str
) -> None:
    """The reason for the locked setting: when this fails, librdkafka has changed and the setting can go."""
    sink, acknowledged = KafkaSink(kafka), list[int]()
    sink._settings |= {"enable.gapless.guarantee": False, "batch.num.messages": 1}
    sink.open(acknowledged.append)
    sink.send([outgoing(small_topic, seq, size=LIMIT + 1 if seq == 3 else 10) for seq in range(1, 11)])

    def overtaken() -> bool:
        try:
            sink.poll(0.05)
        except DeliveryFailed:
            return any(seq > 3 for seq in acknowledged)
        return any(seq > 3 for seq in acknowledged)

    wait_until(overtaken, 30, "a later record to be acknowledged")
    sink.close()


def test_a_topic_that_a_record_needs_is_not_created_by_sending_to_it(kafka: str, topic_name: str) -> None:
    sink = KafkaSink(kafka, {"topic.metadata.propagation.max.ms": "300"})
    sink.open(lambda _: None)
    sink.send([outgoing(topic_name, 1)])

    failed = fails(sink)

    assert (failed.seq, failed.verdict) == (1, Verdict.CONFIG)
    assert not topic_exists(kafka, topic_name)


@pytest.mark.parametrize("topics", [["t"], []])
def test_a_broker_that_does_not_answer_is_unreachable(topics: list[str]) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1 did not answer"):
        KafkaSink("127.0.0.1:1").check(topics)


def test_a_broker_that_is_away_loses_nothing_and_keeps_the_order(broker: KafkaBroker) -> None:
    topic = f"test.{uuid.uuid4().hex}"
    create_topic(broker.bootstrap, topic, partitions=1)
    sink, acknowledged = KafkaSink(broker.bootstrap, {"reconnect.backoff.max.ms": "500"}), list[int]()
    sink.open(acknowledged.append)
    batch = [outgoing(topic, seq) for seq in range(1, 1001)]
    deliver(sink, batch[:500], acknowledged)

    broker.kill()
    assert sink.send(batch[500:]) == 500
    for _ in range(20):
        sink.poll(0.05)
    assert len(acknowledged) == 500
    broker.start()

    def done() -> bool:
        sink.poll(0.05)
        return len(acknowledged) == 1000

    wait_until(done, 30, "the rest")
    sink.close()
    assert seqs_in(broker.bootstrap, topic, 1000) == list(range(1, 1001))


def test_what_is_held_while_the_broker_is_away_is_bounded() -> None:
    sink = KafkaSink("127.0.0.1:1")
    sink.open(lambda _: None)

    def offered(size: int) -> int:
        value = b"x" * size
        taken = sink.send([(seq, "t", "k", value, []) for seq in range(30_000)])
        sink.close()
        sink.open(lambda _: None)
        return taken

    by_number, by_bytes = offered(10), offered(10_000)
    sink.close()

    assert by_number == 10_000
    assert 1_900 < by_bytes < 2_100  # 20 MiB


def test_the_partition_of_a_key_is_the_one_that_javas_clients_choose(kafka: str, topic_name: str) -> None:
    create_topic(kafka, topic_name, partitions=10)
    sink, acknowledged = KafkaSink(kafka), list[int]()
    sink.open(acknowledged.append)
    keys = ["order-1", "order-2", "Ключ", ""]
    deliver(sink, [(seq, topic_name, key, b"", []) for seq, key in enumerate(keys)], acknowledged)
    sink.close()

    found = read_topic(kafka, topic_name, lambda messages: len(messages) >= len(keys))

    assert {each.key(): each.partition() for each in found} == {
        key.encode(): _murmur2(key.encode(), 10) for key in keys
    }


def test_a_record_goes_to_the_partition_that_a_key_like_its_partition_key_would_choose(
    kafka: str, topic_name: str
) -> None:
    create_topic(kafka, topic_name, partitions=7)
    sink, acknowledged = KafkaSink(kafka), list[int]()
    sink.open(acknowledged.append)
    texts = [f"tenant-{number}" for number in range(20)]
    by_key: list[Any] = [(seq, topic_name, text, b"", []) for seq, text in enumerate(texts)]
    by_text = [(seq, topic_name, "k", text.encode(), [], Origin("", "", 0, text)) for seq, text in enumerate(texts)]
    deliver(sink, by_key, acknowledged)
    acknowledged.clear()
    deliver(sink, cast(list[Outgoing], by_text), acknowledged)
    sink.close()

    found = read_topic(kafka, topic_name, lambda messages: len(messages) >= 40)

    chosen = {each.value(): each.partition() for each in found if each.key() == b"k"}
    assert chosen == {each.key(): each.partition() for each in found if each.key() != b"k"}


def test_a_partition_of_a_topic_that_is_gone_is_not_guessed(kafka: str, topic_name: str) -> None:
    sink = KafkaSink(kafka)
    sink.open(lambda _: None)
    record = (1, topic_name, "k", b"", [], Origin("", "", 0, "acme"))

    with pytest.raises(DeliveryFailed) as failed:
        sink.send(cast(list[Outgoing], [record]))
    sink.close()

    assert (failed.value.seq, failed.value.verdict) == (1, Verdict.CONFIG)


def _murmur2(data: bytes, partitions: int) -> int:
    """org.apache.kafka.common.utils.Utils.murmur2 and toPositive, written from Kafka's source."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) - len(data) % 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return ((h ^ (h >> 15)) & 0x7FFFFFFF) % partitions

"""What only a real broker can show of transactions."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka import KafkaException

from outbox.delivery.ports import Outgoing
from relay.errors import DeliveryFailed, DeliveryRefused, InvalidSettings, Verdict
from relay.kafka.topic_admin import NewTopics
from relay.kafka.transactional_sink import KafkaTransactions
from tests.actors.consumer import create_small_topic
from tests.actors.sink_user import after, failure_of, outgoing, seqs_in
from tests.servers.kafka import KafkaBroker, create_cursor_topic, create_topic
from tests.waiting import wait_until

LIMIT = 10_000
"""max.message.bytes of the small topic."""


def deliver(sink: KafkaTransactions, batch: list[Outgoing]) -> None:
    acknowledged: list[int] = []
    sink.open(acknowledged.append)
    assert sink.send(batch) == len(batch)

    def done() -> bool:
        sink.poll(0.05)
        return len(acknowledged) == len(batch)

    wait_until(done, 30, "all to be committed")


def test_a_record_refused_by_the_broker_is_poison_and_none_of_its_transaction_is_seqs_in(
    kafka: str, topic_name: str, cursors: str
) -> None:
    create_small_topic(kafka, topic_name, LIMIT)
    sink, batch = KafkaTransactions(kafka, cursors=cursors), [outgoing(topic_name, seq) for seq in range(1, 6)]
    batch[2] = outgoing(topic_name, 3, size=LIMIT + 1)

    def failure() -> DeliveryFailed:
        sink.take_over("x", after)
        sink.open(lambda _: None)
        sink.send(batch)
        return failure_of(sink)

    assert failure().verdict is Verdict.RETRY  # it may have been its batch
    poison = failure()
    assert (poison.verdict, poison.seq) == (Verdict.POISON, 3)
    assert sink.take_over("x", after) is None
    deliver(sink, batch[:2])
    sink.close()
    assert seqs_in(kafka, topic_name, 2) == [1, 2]


def test_a_refusal_that_comes_before_the_transaction_is_to_be_committed_blames_the_same_record(
    kafka: str, topic_name: str, cursors: str
) -> None:
    """As on a busy machine: librdkafka then takes no cursor, and says only that the state is not right for that."""
    create_small_topic(kafka, topic_name, LIMIT)
    sink, batch = KafkaTransactions(kafka, cursors=cursors), [outgoing(topic_name, seq) for seq in (1, 2)]
    batch[1] = outgoing(topic_name, 2, size=LIMIT + 1)

    def failure() -> DeliveryFailed:
        sink.take_over("x", after)
        sink.open(lambda _: None)
        sink.send(batch)
        wait_until(lambda: is_refused(sink), 30, "the broker's answer")
        return failure_of(sink)

    assert failure().verdict is Verdict.RETRY  # it may have been its batch
    poison = failure()
    assert (poison.verdict, poison.seq) == (Verdict.POISON, 2)
    sink.close()


def is_refused(sink: KafkaTransactions) -> bool:
    """Asks without serving the reports of the records, as poll() would."""
    with pytest.raises(KafkaException) as refused:
        sink._open_producer().begin_transaction()
    return "current transaction must be aborted" in str(refused.value)


def test_a_broker_that_was_away_commits_what_it_was_given_once(broker: KafkaBroker) -> None:
    topic = f"test.{uuid.uuid4().hex}"
    create_topic(broker.bootstrap, topic, partitions=1)
    create_cursor_topic(broker.bootstrap)
    sink, acknowledged = KafkaTransactions(broker.bootstrap, {"reconnect.backoff.max.ms": "500"}), list[int]()
    sink.take_over("x", after)
    deliver(sink, [outgoing(topic, seq) for seq in range(1, 101)])

    sink.open(acknowledged.append)
    assert sink.send([outgoing(topic, seq) for seq in range(101, 201)]) == 100
    broker.kill()
    sink.poll(0.05)
    sink.poll(0.05)
    assert acknowledged == []
    broker.start()

    def done() -> bool:
        sink.poll(0.05)
        return len(acknowledged) == 100

    wait_until(done, 60, "the rest")
    assert sink.take_over("x", after) == "after 200"
    sink.close()
    assert seqs_in(broker.bootstrap, topic, 200) == list(range(1, 201))


def test_a_transaction_timeout_above_the_broker_s_is_a_setting_to_change(kafka: str, cursors: str) -> None:
    sink = KafkaTransactions(kafka, {"transaction.timeout.ms": "1000000"}, cursors=cursors)

    with pytest.raises(DeliveryRefused, match="--set a smaller one"):
        sink.take_over("x", after)


def test_the_topic_of_the_cursors_takes_no_records(kafka: str, topic_name: str) -> None:
    """The outbox `cursors` of a database `mongo-outbox` has this very name by default."""
    with pytest.raises(InvalidSettings, match=f"the topic {topic_name} has the cursors"):
        KafkaTransactions(kafka, cursors=topic_name, create=NewTopics(1, 1)).check([topic_name])

"""The topic of the cursors on a real broker: created, checked, and read to its end."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic

from relay.errors import DeliveryFailed, TopicMissing, Verdict
from relay.kafka.topic_admin import NewTopics
from relay.kafka.transactional_sink import KafkaTransactions
from tests.actors.consumer import topic_exists
from tests.actors.sink_user import after
from tests.servers.kafka import admin_client
from tests.waiting import wait_until


def test_a_missing_topic_for_cursors_is_made_when_topics_may_be_made(kafka: str, topic_name: str) -> None:
    KafkaTransactions(kafka, cursors=topic_name, create=NewTopics(3, 1)).check([])

    wait_until(lambda: topic_exists(kafka, topic_name), 30, "the topic")
    KafkaTransactions(kafka, cursors=topic_name).check([])
    assert len(admin_client(kafka).list_topics(topic_name, timeout=10).topics[topic_name].partitions) == 1


def test_a_missing_topic_for_cursors_is_named_with_the_command_that_makes_it(kafka: str, topic_name: str) -> None:
    with pytest.raises(TopicMissing, match=rf"no topic {topic_name} .*kafka-topics.sh .*cleanup.policy=compact"):
        KafkaTransactions(kafka, cursors=topic_name).check([])

    assert not topic_exists(kafka, topic_name)


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_topic_for_cursors_that_would_lose_them_is_refused_with_the_command_that_mends_it(
    kafka: str, topic_name: str, policy: str
) -> None:
    admin, new = admin_client(kafka), NewTopic(topic_name, 1, 1, config={"cleanup.policy": policy})
    admin.create_topics([new])[topic_name].result(30)
    wait_until(lambda: topic_exists(kafka, topic_name), 30, "the topic")

    with pytest.raises(TopicMissing, match=r"cleanup.policy=.*delete.*kafka-configs.sh .*cleanup.policy=compact"):
        KafkaTransactions(kafka, cursors=topic_name, create=NewTopics(1, 1)).check([])


def test_a_cursor_is_found_behind_many_others(kafka: str, cursors: str) -> None:
    idle, busy = KafkaTransactions(kafka, cursors=cursors), Producer({"bootstrap.servers": kafka})
    idle.take_over("idle", after)
    idle.store("long ago")
    for number in range(2500):
        busy.produce(cursors, str(number), "busy", 0)
    busy.flush(30)

    assert idle.take_over("idle", after) == "long ago"
    assert KafkaTransactions(kafka, cursors=cursors).take_over("busy", after) == "2499"
    idle.close()


def test_what_others_have_written_there_is_read_as_what_it_is(kafka: str, cursors: str) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    for key, value in (
        (b"shop.outbox/kafka", b"17"), (b"shop.outbox/kafka/2", b"18"), (b"shop.outbox/kafka2", b"19"),
        (b"\xff", b"21"), (b"shop.outbox/null", b"22"), (b"shop.outbox/null", None),
        (b"shop.outbox/bytes", b"\xff"),
    ):  # fmt: skip
        producer.produce(cursors, value, key, 0)
    assert producer.flush(30) == 0
    sink = KafkaTransactions(kafka, cursors=cursors)

    assert sink.take_over("shop.outbox/null", after) is None
    assert sink.stored("shop.outbox/null") == {}
    assert sink.stored("shop.outbox/kafka") == {"shop.outbox/kafka": "17", "shop.outbox/kafka/2": "18"}
    assert sink.take_over("shop.outbox/bytes", after) == "\N{REPLACEMENT CHARACTER}"
    sink.close()


def test_a_cursor_is_not_read_while_another_transaction_may_still_be_before_it(kafka: str, cursors: str) -> None:
    """Reading what is committed so far would give an older one, and records would be sent twice."""
    ours, dead = KafkaTransactions(kafka, cursors=cursors), KafkaTransactions(kafka, cursors=cursors)
    ours.take_over("ours", after)
    ours.store("old")
    dead.take_over("dead", after)
    producer = dead._open_producer()
    producer.begin_transaction()
    producer.produce(cursors, "open", "dead", 0)
    producer.flush(30)
    ours.store("new")

    with pytest.raises(DeliveryFailed, match="not readable yet") as failed:
        ours.take_over("ours", after)

    assert failed.value.verdict is Verdict.RETRY
    dead.take_over("dead", after)  # as its successor does
    assert ours.take_over("ours", after) == "new"
    ours.close()
    dead.close()

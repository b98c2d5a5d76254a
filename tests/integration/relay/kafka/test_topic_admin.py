"""Topics that are missing, made when asked, and refused when Kafka takes them for others."""

from __future__ import annotations

import re

import pytest

from outbox.clock import SystemClock
from relay.errors import TopicMissing
from relay.kafka import topic_admin
from relay.kafka.sink import KafkaSink
from relay.kafka.topic_admin import NewTopics
from relay.kafka.transactional_sink import KafkaTransactions
from tests.actors.consumer import topic_exists
from tests.servers.kafka import admin_client, create_cursor_topic, create_topic
from tests.waiting import wait_until

LIMIT = 10_000
"""max.message.bytes of the small topic."""


def test_a_missing_topic_is_created_when_asked(kafka: str, topic_name: str) -> None:
    sink = KafkaSink(kafka, create=NewTopics(partitions=2, replication=1))

    sink.check([topic_name])
    sink.check([topic_name])

    wait_until(lambda: topic_exists(kafka, topic_name), 30, "the topic")
    assert len(admin_client(kafka).list_topics(topic_name, timeout=30).topics[topic_name].partitions) == 2


@pytest.mark.parametrize("is_of_cursors", [False, True], ids=["of messages", "of cursors"])
def test_a_topic_that_the_broker_learns_of_a_moment_later_is_not_missing(
    kafka: str, topic_name: str, is_of_cursors: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class MadeMeanwhile(SystemClock):
        def wait(self, seconds: float, stop: object = None) -> bool:  # it is time that passes
            if not topic_exists(kafka, topic_name):
                create_cursor_topic(kafka, topic_name)
            return False

    monkeypatch.setattr(topic_admin, "SystemClock", MadeMeanwhile)
    monkeypatch.setattr(topic_admin, "LEARNS_SECONDS", 60)

    if is_of_cursors:
        KafkaTransactions(kafka, cursors=topic_name).check([])
    else:
        KafkaSink(kafka).check([topic_name])


def test_more_replicas_than_brokers_is_an_error_that_says_so(kafka: str, topic_name: str) -> None:
    sink = KafkaSink(kafka, create=NewTopics(partitions=1, replication=9))

    with pytest.raises(TopicMissing, match=f"{topic_name} could not be created"):
        sink.check([topic_name])


@pytest.mark.parametrize("create", [NewTopics(1, 1), None])
def test_a_topic_that_kafka_takes_for_another_one_is_refused_before_anything_is_sent(
    kafka: str, topic_name: str, create: NewTopics | None
) -> None:
    """'.' and '_' are one in the names of its metrics: the topic could never be made."""
    there, twin = f"{topic_name}.order.placed", f"{topic_name}.order_placed"
    create_topic(kafka, there)
    sink = KafkaSink(kafka, create=create)

    with pytest.raises(TopicMissing, match=re.escape(f"the topic {twin} cannot stand beside {there}")):
        sink.check([there, twin])

    assert not topic_exists(kafka, twin)


def test_two_new_topics_that_kafka_takes_for_one_are_both_not_made(kafka: str, topic_name: str) -> None:
    twins = [f"{topic_name}.a.b_c", f"{topic_name}.a_b.c"]

    with pytest.raises(TopicMissing, match="takes '.' and '_' for the same"):
        KafkaSink(kafka, create=NewTopics(1, 1)).check(twins)

    assert not any(topic_exists(kafka, each) for each in twins)

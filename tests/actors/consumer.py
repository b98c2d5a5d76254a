"""Reads Kafka back, as a consumer that trusts nobody."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # public, but hidden by the stub

from tests.servers.kafka import admin_client
from tests.waiting import wait_until


def read_topic(
    bootstrap: str, topic: str, until: Callable[[list[Message]], bool], cap_seconds: float = 60
) -> list[Message]:
    """Reads all records of a topic, partition by partition in order, until `until` says that they are enough.

    Returns what there is after `cap_seconds`: the test's own assertion then says what is missing.
    """
    settings = {"bootstrap.servers": bootstrap, "group.id": "tests", "enable.auto.commit": False, "log_level": 0}
    consumer = Consumer({**settings, "allow.auto.create.topics": False, "fetch.wait.max.ms": 20})
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        messages: list[Message] = []
        deadline = time.monotonic() + cap_seconds
        while not until(messages) and time.monotonic() < deadline:
            for message in consumer.consume(1000, timeout=0.1):
                assert message.error() is None, message.error()
                messages.append(message)
        return messages
    finally:
        consumer.close()


def headers(message: Message) -> list[tuple[str, bytes]]:
    """A record's headers, in order."""
    pairs = message.headers()
    assert pairs is None or isinstance(pairs, list)
    return [(name, value) for name, value in pairs or [] if isinstance(value, bytes)]


def header(message: Message, name: str) -> str:
    """One header's text; KeyError when it is not there."""
    return dict(headers(message))[name].decode()


def topic_exists(bootstrap: str, topic: str) -> bool:
    """Whether the broker has the topic; asking does not create it."""
    return topic in admin_client(bootstrap).list_topics(timeout=30).topics


def create_small_topic(bootstrap: str, topic: str, limit: int) -> None:
    """Creates a topic of one partition that takes batches of `limit` bytes at most."""
    admin = admin_client(bootstrap)
    new = NewTopic(topic, 1, 1, config={"max.message.bytes": str(limit)})
    admin.create_topics([new])[topic].result(30)
    wait_until(lambda: topic_exists(bootstrap, topic), 30, f"the topic {topic}")

"""The demo's Kafka: librdkafka's mock broker, and what a consumer finds on a broker in the end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from relay.errors import RelayError, Unreachable

_QUIET: dict[str, Any] = {"log_level": 0, "error_cb": lambda _: None}
_SECONDS = 10.0
_INTERRUPTING = (signal.SIGINT, signal.SIGTERM)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Delivered:
    """A record as a consumer of Kafka has it."""

    id: str
    seq: int
    key: str


class MockBroker:
    """A Kafka broker inside this process, on a free loopback port; other processes use it like any other.

    It keeps records in memory, and cannot be administered: only `make_topic` makes topics. Raises Unreachable.
    """

    def __init__(self) -> None:
        # The cluster lives and dies with this client, and `bootstrap.servers` is ignored.
        self._owner = _made(Producer, {"test.mock.num.brokers": 1})
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in self._metadata().brokers.values())

    def make_topic(self, topic: str) -> None:
        """Makes a topic, and returns when it can be written to. Raises Unreachable."""
        deadline = time.monotonic() + _SECONDS
        # The mock broker creates a topic when it is asked for it; its partitions come a moment later.
        while not self._metadata(topic).topics[topic].partitions:
            if time.monotonic() > deadline:
                raise Unreachable(f"librdkafka's mock broker did not make the topic {topic} in {_SECONDS:g} s")

    def _metadata(self, topic: str | None = None) -> Any:
        try:
            return self._owner.list_topics(topic, timeout=_SECONDS)
        except KafkaException as error:
            raise Unreachable(f"librdkafka's mock broker did not start: {error.args[0].str()}") from error

    def close(self) -> None:
        """Ends the broker, with all that it keeps."""
        self._owner.close()


def _made(client: Callable[[dict[str, Any]], T], settings: dict[str, Any]) -> T:
    """Makes a client; a Ctrl-C that comes meanwhile counts afterwards.

    confluent-kafka would turn it, while it reads its settings, into a TypeError about them.
    """
    received: list[int] = []
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in _INTERRUPTING}
    try:
        return client({**settings, **_QUIET})
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for interrupt in received:
            signal.raise_signal(interrupt)


def read_back(bootstrap: str, topic: str) -> list[Delivered]:
    """Reads all records of a topic, each partition in its order. Raises RelayError when that takes too long."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "outbox-demo", "enable.auto.commit": False}
    with closing(_made(Consumer, {**settings, "allow.auto.create.topics": False})) as consumer:
        numbers = consumer.list_topics(topic, timeout=_SECONDS).topics[topic].partitions
        partitions = [TopicPartition(topic, number, 0) for number in numbers]
        left = {part.partition: consumer.get_watermark_offsets(part, timeout=_SECONDS)[1] for part in partitions}
        consumer.assign(partitions)
        records: list[Delivered] = []
        deadline = time.monotonic() + _SECONDS
        while any(left.values()):
            for message in consumer.consume(1000, 0.2):
                if message.error() is not None:
                    raise RelayError(f"reading {topic} back: {message.error()}")
                partition, record = _delivered(message)
                records.append(record)
                left[partition] -= 1
                deadline = time.monotonic() + _SECONDS
            if time.monotonic() > deadline:
                raise RelayError(f"reading {topic} back: nothing came for {_SECONDS:g} s, {sum(left.values())} to come")
    return records


def _delivered(message: Any) -> tuple[int, Delivered]:  # Any: their types allow for what a relayed record never lacks
    headers = dict(message.headers())
    return message.partition(), Delivered(headers["id"].decode(), int(headers["seq"]), message.key().decode())


def delete_topic(bootstrap: str, topic: str) -> None:
    """Deletes a topic, if it exists. Raises RelayError."""
    admin = _made(AdminClient, {"bootstrap.servers": bootstrap})
    try:
        admin.delete_topics([topic], operation_timeout=_SECONDS)[topic].result(_SECONDS)
    except KafkaException as error:
        if error.args[0].name() != "UNKNOWN_TOPIC_OR_PART":
            raise RelayError(f"the topic {topic} on {bootstrap} could not be deleted: {error.args[0].str()}") from error

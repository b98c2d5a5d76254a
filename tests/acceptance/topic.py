"""A Kafka topic as a consumer finds it."""

from __future__ import annotations

import json
from typing import Literal

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from tests.acceptance.ledger import Seen
from tests.waiting import wait_until

PARTITIONS = 3
NOT_YET = {"NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "_UNKNOWN_PARTITION"}
"""Said of a topic that is very new, and by a broker that was frozen until the controller counts it in again."""
Isolation = Literal["read_committed", "read_uncommitted"]


class Topic:
    """What the relay has written to one topic of PARTITIONS partitions; close it."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self.bootstrap = bootstrap
        self.name = name
        self._partitions = [TopicPartition(name, partition) for partition in range(PARTITIONS)]
        self._consumer = self._new_consumer("read_committed")

    def _new_consumer(self, isolation: Isolation) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "acceptance",
                "enable.auto.commit": False,
                "allow.auto.create.topics": False,
                "isolation.level": isolation,
                "enable.partition.eof": True,  # a transaction's end takes an offset too, but no message has it
                "log_level": 0,
                "socket.timeout.ms": 10_000,  # closing waits for requests that a frozen broker never answered
            }
        )

    def end(self) -> int:
        """How many records it has been given so far; in transactions, their ends count too."""
        return sum(self._end(partition) for partition in self._partitions)

    def records(self, isolation: Isolation = "read_committed") -> list[Seen]:
        """All it holds now, in the order of each partition. `read_uncommitted`: also what was aborted."""
        consumer = self._new_consumer(isolation)
        try:
            return [seen for partition in self._partitions for seen in self._read(consumer, partition)]
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, partition: TopicPartition) -> list[Seen]:
        found, end = list[Seen](), self._end(partition)
        consumer.assign([TopicPartition(partition.topic, partition.partition, OFFSET_BEGINNING)])
        while True:
            message = consumer.poll(30)
            assert message is not None, f"{partition} gave nothing after {len(found)} records, before {end}"
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            if message.offset() >= end:  # what others write meanwhile has no end
                return found
            if error is None:
                headers = {name: value.decode() for name, value in message.headers()}
                data = json.loads(message.value())
                assert message.key().decode() == data["account"]
                found.append(Seen(headers["id"], data["account"], data["number"], int(headers["seq"])))

    def _end(self, partition: TopicPartition) -> int:
        last: list[str] = []
        try:
            return wait_until(lambda: self._watermarks(partition, last), 180, f"a leader of {partition}")[1]
        except AssertionError as error:
            found = self._consumer.list_topics(self.name, timeout=30).topics[self.name]
            leaders = {number: (each.leader, each.isrs, each.error) for number, each in found.partitions.items()}
            raise AssertionError(f"{error}; last {last}; leaders and replicas in sync: {leaders}") from None

    def _watermarks(self, partition: TopicPartition, last: list[str]) -> tuple[int, int] | None:
        try:
            return self._consumer.get_watermark_offsets(partition, timeout=30)
        except KafkaException as error:
            last[:] = [error.args[0].name()]
            if last[0] not in NOT_YET:
                raise
            self._consumer.close()  # one that has been told of no leader may go on believing it
            self._consumer = self._new_consumer("read_committed")
            return None

    def close(self) -> None:
        """Leaves the broker."""
        self._consumer.close()

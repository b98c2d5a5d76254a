"""A Kafka topic as a consumer finds it."""

from __future__ import annotations

import json

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.acceptance.ledger import Seen
from tests.waiting import wait_until

PARTITIONS = 3
NOT_YET = {"NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE"}
"""Said of a topic that is very new, and by a broker that was frozen until the controller counts it in again."""


class Topic:
    """What the relay has written to one topic of PARTITIONS partitions; close it."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self.bootstrap = bootstrap
        self.name = name
        self._partitions = [TopicPartition(name, partition) for partition in range(PARTITIONS)]
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "acceptance",
                "enable.auto.commit": False,
                "allow.auto.create.topics": False,
                "log_level": 0,
                "socket.timeout.ms": 10_000,  # closing waits for requests that a frozen broker never answered
            }
        )

    def end(self) -> int:
        """How many records it has been given so far."""
        return sum(self._end(partition) for partition in self._partitions)

    def records(self) -> list[Seen]:
        """All it holds now, in the order of each partition."""
        found = []
        for partition in self._partitions:
            end = self._end(partition)
            partition.offset = 0
            self._consumer.assign([partition])
            offset = -1
            while offset < end - 1:
                message = self._consumer.poll(30)
                assert message is not None, f"{partition} gave nothing at {offset} of {end}"
                if message.error() is not None:
                    raise KafkaException(message.error())
                offset = message.offset()
                headers = {name: value.decode() for name, value in message.headers()}
                data = json.loads(message.value())
                assert message.key().decode() == data["account"]
                found.append(Seen(headers["id"], data["account"], data["number"], int(headers["seq"])))
        self._consumer.unassign()
        return found

    def _end(self, partition: TopicPartition) -> int:
        return wait_until(lambda: self._watermarks(partition), 60, f"a leader of {partition}")[1]

    def _watermarks(self, partition: TopicPartition) -> tuple[int, int] | None:
        try:
            return self._consumer.get_watermark_offsets(partition, timeout=30)
        except KafkaException as error:
            if error.args[0].name() not in NOT_YET:
                raise
            return None

    def close(self) -> None:
        """Leaves the broker."""
        self._consumer.close()

"""Where a partition of Kafka ends."""

from __future__ import annotations

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.waiting import wait_until

_CALL_SECONDS = 30.0
_NOT_YET = {"NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "_UNKNOWN_PARTITION"}
"""Said of a topic that is very new, and by a broker that was frozen until the controller counts it in again."""


def end_of(consumer: Consumer, partition: TopicPartition, seconds: float) -> int:
    """The offset that comes next; waits up to `seconds` for a leader. Raises KafkaException."""
    return wait_until(lambda: _watermarks(consumer, partition), seconds, f"a leader of {partition}")[1]


def _watermarks(consumer: Consumer, partition: TopicPartition) -> tuple[int, int] | None:
    try:
        return consumer.get_watermark_offsets(partition, timeout=_CALL_SECONDS)
    except KafkaException as error:
        if error.args[0].name() not in _NOT_YET:
            raise
        return None

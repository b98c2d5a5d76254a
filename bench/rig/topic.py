"""Reads a topic from outside: how far it is, and what a consumer that reads committed finds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from bench.rig.load import PARTITIONS
from tests.waiting import wait_until

_POLL_SECONDS = 0.002
_AT_ONCE = 5000
_SECONDS = 30.0
_NOT_YET = {"NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "_UNKNOWN_PARTITION"}


class Contents(NamedTuple):
    """What a consumer that reads committed finds."""

    records: int
    distinct: int
    """How many different headers `seq`."""


class TopicView:
    """Use it with `with`. Not thread-safe."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._partitions = [TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)]
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": "bench",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,  # the end of a transaction has an offset too, but is no record
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def end(self) -> int:
        """How many offsets have been given out."""
        return sum(self._end(partition) for partition in self._partitions)

    def _end(self, partition: TopicPartition) -> int:
        return wait_until(lambda: self._watermarks(partition), _SECONDS, f"a leader of {partition}")[1]

    def _watermarks(self, partition: TopicPartition) -> tuple[int, int] | None:
        """None while a topic that was made a moment ago has no leader yet."""
        try:
            return self._consumer.get_watermark_offsets(partition, timeout=_SECONDS)
        except KafkaException as error:
            if error.args[0].name() not in _NOT_YET:
                raise
            return None

    def wait(self, count: int, seconds: float, failed: Callable[[], object] = lambda: None) -> float:
        """Waits until so many offsets have been given out; returns the time then.

        Raises TimeoutError, also once `failed` returns true.
        """
        deadline = time.monotonic() + seconds
        while (end := self.end()) < count:
            if failed() or time.monotonic() > deadline:
                raise TimeoutError(f"{end} of {count} records arrived")
            time.sleep(_POLL_SECONDS)
        return time.monotonic()

    def contents(self) -> Contents:
        """Reads the whole topic."""
        self._consumer.assign(self._partitions)
        records, ended, seen = 0, set[int](), set[str | bytes | None]()
        while len(ended) < len(self._partitions):
            for record in self._consumer.consume(_AT_ONCE, _SECONDS):
                error = record.error()
                if error is None:
                    records += 1
                    seen.add(dict(record.headers() or [])["seq"])
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(record.partition() or 0)
                else:
                    raise KafkaException(error)
        return Contents(records, len(seen))

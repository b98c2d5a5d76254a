"""A bare producer: the relay's settings, headers and callbacks, and nothing behind them."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import bson
from bson import ObjectId
from confluent_kafka import KafkaError, Message, Producer

from bench.rig.benchmark import Figures, throughput
from bench.rig.load import DIFFERENT, Load
from bench.rig.messages import HEADERS, TYPES, Sent
from bench.rig.process import resident_mib
from outbox import dates
from outbox.messages.json_value import json_value
from outbox.mongo.codec import DECODED
from relay.kafka.settings import DEFAULTS, LOCKED

_AT_ONCE = 500
_SECONDS = 60.0

Produced = tuple[str, bytes, list[tuple[str, str]]]
"""Key, value and headers."""


class Bare:
    """Produces to one topic, and keeps the numbers of what was acknowledged. Not thread-safe."""

    def __init__(self, kafka: str) -> None:
        self.acknowledged: set[int] = set()
        self._producer = Producer({**DEFAULTS, **LOCKED, "bootstrap.servers": kafka, "log_level": 3})
        self._producer.list_topics(timeout=_SECONDS)  # connects

    def produce(self, topic: str, number: int, record: Produced) -> None:
        key, value, headers = record
        while True:
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    on_delivery=partial(self._report, number),
                    headers=headers,  # type: ignore[arg-type]  # a list of pairs is fine, its stub is invariant
                )
                return
            except BufferError:
                self._producer.poll(0.02)

    def poll(self) -> None:
        self._producer.poll(0)

    def flush(self) -> None:
        """Raises TimeoutError if something is not acknowledged in a minute."""
        if left := self._producer.flush(_SECONDS):
            raise TimeoutError(f"{left} records were not acknowledged in {_SECONDS:.0f} s")

    def _report(self, number: int, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            raise RuntimeError(f"record {number} was not delivered: {error.str()}")
        self.acknowledged.add(number)


def record(sent: Sent, number: int) -> Produced:
    """What the relay sends for this message, if its seq is `number`."""
    data: dict[str, Any] = bson.decode(bson.encode(sent.to_mongo().to_dict()), codec_options=DECODED)
    created = dates.text(bson.datetime_ms.DatetimeMS(time.time_ns() // 1_000_000))
    headers = [
        ("id", str(ObjectId())),
        ("seq", str(number)),
        ("created", created),
        ("type", TYPES[type(sent)]),
        *HEADERS.items(),
    ]
    return sent.order_id, json_value(data), headers


def produce(kafka: str, topic: str, count: int, load: Load) -> Figures:
    """Produces `count` records as fast as can be; for a process of its own."""
    records = [record(load.message(number), number) for number in range(min(count, DIFFERENT))]
    bare = Bare(kafka)

    def work() -> None:
        for number in range(count):
            bare.produce(topic, number, records[number % len(records)])
            if number % _AT_ONCE == 0:
                bare.poll()
        bare.flush()

    before = time.process_time()
    figures = throughput(count, work)
    used = time.process_time() - before
    return {**figures, "CPU µs/message": 1e6 * used / count, "resident MiB": resident_mib()}

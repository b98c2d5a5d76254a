"""Watches every message of a run, and measures how long after its put it is seen; each for another process."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import orjson
from confluent_kafka import Consumer, TopicPartition
from pymongo import CursorType, MongoClient

from bench.rig.benchmark import Figures
from bench.rig.load import PARTITIONS
from bench.rig.sightings import SECONDS, Sightings

_AWAIT_MS = 200


def tail(mongo: str, database: str, log: str, count: int) -> Figures:
    """Follows a capped collection by a tailable cursor: of batches, as the log has them, or of bare documents."""
    seen = Sightings("log", count)
    with MongoClient[dict[str, Any]](mongo) as client:
        following = client[database][log].find({}, cursor_type=CursorType.TAILABLE_AWAIT).max_await_time_ms(_AWAIT_MS)
        deadline = time.monotonic() + SECONDS
        with contextlib.closing(following) as cursor:
            while not seen.ended and cursor.alive and time.monotonic() < deadline:
                document = next(cursor, None)
                if document is not None:
                    for record in document.get("records", [document]):
                        seen.saw(record["data"]["sent"])
    return seen.figures()


def consume(kafka: str, topic: str, count: int) -> Figures:
    """Consumes a topic from its beginning."""
    seen = Sightings("consumer", count)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "bench", "enable.auto.commit": False})
    deadline = time.monotonic() + SECONDS
    with contextlib.closing(consumer):
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        while not seen.ended and time.monotonic() < deadline:
            record = consumer.poll(_AWAIT_MS / 1000)
            if record is None:
                continue
            value, error = record.value(), record.error()
            if error is not None or value is None:
                raise RuntimeError(f"consuming {topic}: {error}")
            seen.saw(orjson.loads(value)["sent"])
    return seen.figures()

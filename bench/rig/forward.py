"""Forwards a plain capped collection to Kafka: the least that could stand in for sequencer and relay.

It has no order but the collection's, saves no cursor and takes no lease. It is also a program, which loads only this.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any

import orjson
from bson.decimal128 import Decimal128
from confluent_kafka import Producer
from pymongo import CursorType, MongoClient

_AWAIT_MS = 1000


def forward(stop: threading.Event, mongo: str, database: str, kafka: str, topic: str) -> None:
    """Forwards until `stop`, from the oldest document of the collection `capped` on.

    It must have one: a tailable cursor on an empty collection dies at once.
    """
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0, "acks": "all", "log_level": 3})
    with MongoClient[dict[str, Any]](mongo) as client:
        following = client[database].capped.find({}, cursor_type=CursorType.TAILABLE_AWAIT).max_await_time_ms(_AWAIT_MS)
        with contextlib.closing(following) as cursor:
            while cursor.alive and not stop.is_set():
                document = next(cursor, None)
                if document is not None and "data" in document:
                    value = orjson.dumps(document["data"], default=_text)
                    producer.produce(topic, value, document["key"], headers={"id": str(document["_id"])})
                producer.poll(0)
    producer.flush(10)


def _text(value: object) -> str:
    if isinstance(value, Decimal128):
        return str(value)
    raise TypeError(f"no JSON for a {type(value).__name__}")


if __name__ == "__main__":
    forward(threading.Event(), *sys.argv[1:])

"""Writes at a steady rate, by `put`, by a bare insert or by a bare produce; each for another process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from bench.rig.load import Load
from bench.rig.messages import HEADERS, TYPES, Sent, document
from bench.rig.produce import Bare, record
from outbox import Outbox

Writer = Callable[[str, str, int, int, Load], None]
"""Of a server, its database or topic, messages a second, how many in all, and which."""

WRITES = 200
"""Writes a second; at a higher rate a write is a list."""
_THREADS = 4


def put(mongo: str, database: str, rate: int, count: int, load: Load) -> None:
    with (
        MongoClient[dict[str, Any]](mongo) as client,
        Outbox(client[database], messages=list(TYPES), sequence=False) as outbox,
    ):
        _pace(
            lambda part: outbox.put(part if len(part) > 1 else part[0], headers=HEADERS, standalone=True),
            rate,
            count,
            load,
        )


def insert(mongo: str, database: str, rate: int, count: int, load: Load) -> None:
    with MongoClient[dict[str, Any]](mongo) as client:
        capped = client[database].get_collection("capped", write_concern=WriteConcern("majority"))
        _pace(lambda part: capped.insert_many([document(message) for message in part]), rate, count, load)


def produce(kafka: str, topic: str, rate: int, count: int, load: Load) -> None:
    bare = Bare(kafka)

    def write(part: Sequence[Sent]) -> None:
        for number, message in enumerate(part):
            bare.produce(topic, number, record(message, number))
        bare.poll()

    _pace(write, rate, count, load)
    bare.flush()


def _pace(write: Callable[[Sequence[Sent]], object], rate: int, count: int, load: Load) -> None:
    """Calls `write` at its times, on a few threads: one slow write must not put off the next."""
    messages = load.some(count)
    size = max(1, rate // WRITES)

    def stamped(part: Sequence[Sent]) -> None:
        for message in part:
            message.sent = time.time_ns()
        write(part)

    with ThreadPoolExecutor(_THREADS) as threads:
        writes = []
        started = time.perf_counter()
        for first in range(0, count, size):
            time.sleep(max(0.0, started + first / rate - time.perf_counter()))
            writes.append(threads.submit(stamped, messages[first : first + size]))
        for done in writes:
            done.result()

"""Writers at a steady rate, each for a process of its own: by `put`, by a bare insert, by a bare produce."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from bench.order import HEADERS, OrderPlaced, document, order
from bench.produce import Bare, record
from outbox import Outbox

Writer = Callable[[str, str, int, int, int], None]
"""Of a server, its database or topic, messages a second, how many in all, and the size of each."""

WRITES = 200
"""Writes a second; a rate above it makes each write a list."""
_THREADS = 4


def put(mongo: str, database: str, rate: int, count: int, size: int) -> None:
    with (
        MongoClient[dict[str, Any]](mongo) as client,
        Outbox(client[database], messages=[OrderPlaced], sequence=False) as outbox,
    ):
        _pace(lambda orders: outbox.put(orders if len(orders) > 1 else orders[0], headers=HEADERS), rate, count, size)


def insert(mongo: str, database: str, rate: int, count: int, size: int) -> None:
    with MongoClient[dict[str, Any]](mongo) as client:
        capped = client[database].get_collection("capped", write_concern=WriteConcern("majority"))
        _pace(lambda orders: capped.insert_many([document(each) for each in orders]), rate, count, size)


def produce(kafka: str, topic: str, rate: int, count: int, size: int) -> None:
    bare = Bare(kafka)

    def write(orders: Sequence[OrderPlaced]) -> None:
        for number, each in enumerate(orders):
            bare.produce(topic, number, record(each, number))
        bare.poll()

    _pace(write, rate, count, size)
    bare.flush()


def _pace(write: Callable[[Sequence[OrderPlaced]], object], rate: int, count: int, size: int) -> None:
    """Calls `write` at its times, on a few threads: one slow write must not put off the next."""
    orders = [order(number, size) for number in range(count)]
    each = max(1, rate // WRITES)

    def stamped(part: Sequence[OrderPlaced]) -> None:
        for placed in part:
            placed.sent = time.time_ns()
        write(part)

    with ThreadPoolExecutor(_THREADS) as threads:
        writes = []
        started = time.perf_counter()
        for first in range(0, count, each):
            time.sleep(max(0.0, started + first / rate - time.perf_counter()))
            writes.append(threads.submit(stamped, orders[first : first + each]))
        for done in writes:
            done.result()

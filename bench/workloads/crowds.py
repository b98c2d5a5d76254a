"""Curves of many at once: readers, writers; and of the log's size."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pymongo import MongoClient

from bench.figures.curve import Axes, Point
from bench.rig.benchmark import Figures, throughput
from bench.rig.load import Load
from bench.rig.messages import HEADERS, TYPES
from bench.rig.process import in_process, resident_mib
from bench.rig.stage import Stage, seed
from bench.workloads.reads import until_seen
from outbox import Outbox

_FILL_BYTES = 100_000
"""Of the messages that fill a log."""


class Readers:
    """So many observers in one process read the same part of a log."""

    axes = Axes("observers in a process", "records/s, all together", "log → each of them", 1)
    points = (1, 5, 20, 50, 100, 200)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def why_not(self, x: int) -> str | None:
        return None

    def measure(self, x: int) -> Point:
        stage, count = self._stage, self._stage.load.part(10)
        database = stage.full.collections.database.name
        figures = in_process(_observe, stage.mongo, database, count, x)
        rate = figures["messages/s"]
        return Point(x, x * count / rate, rate, figures["resident MiB"])


def _observe(mongo: str, database: str, count: int, readers: int) -> Figures:
    with MongoClient[dict[str, Any]](mongo) as client, Outbox(client[database], sequence=False) as outbox:
        return {
            **throughput(readers * count, lambda: until_seen(outbox, count, readers)),
            "resident MiB": resident_mib(),
        }


class Writers:
    """So many threads of one process put, a message at a time, a hundredth of the load each."""

    axes = Axes("writers in a process", "puts/s, all together", "put → committed, all of each", 1)
    points = (1, 4, 16, 64)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def why_not(self, x: int) -> str | None:
        return None

    def measure(self, x: int) -> Point:
        puts = self._stage.load.part(100)
        with self._stage.outbox() as outbox:
            database = outbox.collections.database.name
            figures = in_process(_put, self._stage.mongo, database, puts, x, self._stage.load)
        rate = figures["messages/s"]
        return Point(x, x * puts / rate, rate, figures["resident MiB"])


def _put(mongo: str, database: str, puts: int, writers: int, load: Load) -> Figures:
    messages = load.some(puts)  # the same for all: a put only reads them
    with (
        MongoClient[dict[str, Any]](mongo) as client,
        Outbox(client[database], messages=list(TYPES), sequence=False) as outbox,
        ThreadPoolExecutor(writers) as threads,
    ):

        def write(_: int) -> None:
            for message in messages:
                outbox.put(message, headers=HEADERS, standalone=True)

        outbox.put(messages[0], headers=HEADERS, standalone=True)  # the first one also checks the outbox
        figures = throughput(writers * puts, lambda: list(threads.map(write, range(writers))))
        return {**figures, "resident MiB": resident_mib()}


class LogSize:
    """The sequencer appends the load to a full log of so many MiB, and a new reader then fetches the last record."""

    axes = Axes("MiB of a full log", "messages/s", "staging → log, all of the load, and a new reader at its end", 0)
    points = (64, 256, 1024, 4096)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def why_not(self, x: int) -> str | None:
        return None

    def measure(self, x: int) -> Point:
        stage, load, capacity = self._stage, self._stage.load, x << 20
        fill = Load.of_value(int(1.2 * capacity / _FILL_BYTES), _FILL_BYTES)
        with stage.outbox(0, capacity) as outbox:
            seed(outbox, fill.messages, fill)
            outbox.sequence()
            seed(outbox, load.messages, load)
            head = outbox.log.head() + load.messages
            figures = in_process(_sequence, stage.mongo, outbox.collections.database.name, head)
        return Point(x, figures["seconds"], load.messages / figures["sequencing"], figures["resident MiB"])


def _sequence(mongo: str, database: str, head: int) -> Figures:
    began = time.perf_counter()
    with MongoClient[dict[str, Any]](mongo) as client:
        with Outbox(client[database]) as outbox:
            outbox.sequence()
        sequenced = time.perf_counter()
        with Outbox(client[database], sequence=False) as outbox:
            next(outbox.read(head))
    ended = time.perf_counter()
    return {"seconds": ended - began, "sequencing": sequenced - began, "resident MiB": resident_mib()}

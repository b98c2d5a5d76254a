"""Measures reading the log, by `read` and by `observe`, beside a plain find over the same collection."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from pymongo.read_concern import ReadConcern

from bench.rig.benchmark import Figures, InTurns, throughput
from bench.rig.stage import Stage
from outbox import Outbox, Record
from outbox.mongo.codec import DECODED, RAW


class Read(InTurns):
    """`read` from the oldest record to the head; the bare loop yields the same records as dicts."""

    bare_is = "find over the log, a dict a record"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        outbox = self._stage.full
        return throughput(self._stage.load.messages, lambda: deque(outbox.read(), maxlen=0))

    def bare(self) -> Figures:
        log = self._stage.full.collections.log.with_options(codec_options=DECODED, read_concern=ReadConcern("majority"))

        def records() -> Iterator[dict[str, Any]]:
            for batch in log.find({"_id": {"$gt": 0}}):
                yield from batch["records"]

        return throughput(self._stage.load.messages, lambda: deque(records(), maxlen=0))


class ReadRaw(Read):
    """The same reading; the bare find only fetches, and decodes nothing."""

    bare_is = "find over the log, raw"

    def bare(self) -> Figures:
        log = self._stage.full.collections.log.with_options(codec_options=RAW, read_concern=ReadConcern("majority"))
        return throughput(self._stage.load.messages, lambda: deque(log.find({"_id": {"$gt": 0}}), maxlen=0))


class Observe(Read):
    """A subscriber that does nothing with what it gets, from the oldest record to the head."""

    def ours(self) -> Figures:
        database = self._stage.full.collections.database
        with Outbox(database, sequence=False) as outbox:
            return throughput(self._stage.load.messages, lambda: until_seen(outbox, self._stage.load.messages))


def until_seen(outbox: Outbox, last: int, subscribers: int = 1) -> None:
    """Subscribes so often, from the oldest record on, and returns when each has seen the one with seq `last`."""
    done = threading.Semaphore(0)
    failed: list[Exception] = []

    def see(record: Record[Any]) -> None:
        if record.seq == last:
            done.release()

    def fail(error: Exception) -> None:
        failed.append(error)
        done.release()

    for _ in range(subscribers):
        outbox.observe("earliest").subscribe(see, fail)
    for _ in range(subscribers):
        done.acquire()
    if failed:
        raise failed[0]

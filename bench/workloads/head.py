"""Measures reading at the head, while another process appends batches as fast as the server takes them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from bson import Int64
from bson.raw_bson import RawBSONDocument
from pymongo import CursorType, MongoClient
from pymongo.collection import Collection
from pymongo.write_concern import WriteConcern

from bench.rig.benchmark import Figures, InTurns
from bench.rig.process import in_process
from bench.rig.sightings import SECONDS
from bench.rig.stage import Stage
from bench.workloads.reads import until_seen
from outbox import Outbox
from outbox.mongo.codec import DECODED, RAW

_AT_ONCE = 4
_AWAIT_MS = 1000


class ObserveHead(InTurns):
    """An observer that waits at the head of a log into which another one's batches are copied."""

    bare_is = "tailable cursor over the same, a dict a record"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        with self._stage.outbox() as made, Outbox(made.collections.database, sequence=False) as outbox:
            return self._rate(made, lambda: until_seen(outbox, self._stage.load.messages))

    def bare(self) -> Figures:
        with self._stage.outbox() as made:
            log = made.collections.log.with_options(codec_options=DECODED)
            return self._rate(made, lambda: _tail(log, self._stage.load.messages))

    def _rate(self, made: Outbox, watch: Callable[[], None]) -> Figures:
        """From the first batch in the log to the sight of the last record."""
        full, seconds = self._stage.full, [0.0]

        def watching() -> None:
            watch()
            seconds[0] = time.time()

        watcher = threading.Thread(target=watching, daemon=True)
        watcher.start()
        source, target = (outbox.collections.database.name for outbox in (full, made))
        began = in_process(copy, self._stage.mongo, source, target, made.name)
        watcher.join(SECONDS)
        if not seconds[0]:
            raise TimeoutError(f"not every record was seen in {SECONDS:.0f} s")
        return {"messages/s": self._stage.load.messages / (seconds[0] - began)}


def copy(mongo: str, source: str, target: str, name: str) -> float:
    """Copies all batches of a log, in order; returns the time of the first. For a process of its own."""
    with MongoClient[dict[str, Any]](mongo) as client:
        log: Collection[RawBSONDocument] = client[source].get_collection(name).with_options(codec_options=RAW)
        batches = list(log.find({"_id": {"$gt": Int64(0)}}, sort=[("_id", 1)]))
        into = client[target].get_collection(name, write_concern=WriteConcern("majority"))
        began = time.time()
        for first in range(0, len(batches), _AT_ONCE):
            into.insert_many(batches[first : first + _AT_ONCE])
        return began


def _tail(log: Any, last: int) -> None:
    with contextlib.closing(log.find({}, cursor_type=CursorType.TAILABLE_AWAIT).max_await_time_ms(_AWAIT_MS)) as cursor:
        seen = 0
        while seen < last and cursor.alive:
            batch = next(cursor, None)
            for _ in () if batch is None else batch["records"]:
                seen += 1

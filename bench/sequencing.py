"""Draining staging into the log, beside appending the very same batches to a capped collection."""

from __future__ import annotations

from bson.raw_bson import RawBSONDocument

from bench.benchmark import Figures, throughput
from bench.stage import Stage, capped
from outbox.collections import RAW

_AT_ONCE = 20
"""Batches an insert: 10,000 messages, as much as a sweep takes."""


class Sequence:
    """Everything the sequencer does: take over, find by `at`, number, append, delete from staging by id."""

    name = "sequence"
    bare_is = "insert_many of the same batches, nothing else"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._batches: list[RawBSONDocument] = []

    def ours(self) -> Figures:
        with self._stage.outbox(self._stage.load.messages) as outbox:
            figures = throughput(self._stage.load.messages, outbox.sequence)
            log = outbox.collections.log.with_options(codec_options=RAW)
            self._batches = list(log.find({"_id": {"$gt": 0}}, sort=[("_id", 1)]))
            return figures

    def bare(self) -> Figures:
        parts = [self._batches[first : first + _AT_ONCE] for first in range(0, len(self._batches), _AT_ONCE)]
        with self._stage.database() as database:
            log = capped(database, self._stage.load.capacity)
            return throughput(self._stage.load.messages, lambda: [log.insert_many(part) for part in parts])

"""Measures moving staging into the log, with the deletes, beside a bare insert of the same messages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from bson.raw_bson import RawBSONDocument

from bench.rig.benchmark import Figures, InTurns, throughput
from bench.rig.stage import Stage, capped, seed
from outbox.log.creation import least_capacity
from outbox.mongo.codec import RAW

_AT_ONCE = 20
"""Batches an insert: 10,000 messages, as much as a sweep takes."""
_DOCUMENTS = 10_000
"""Documents an insert."""


class Sequence(InTurns):
    """Everything the sequencer does: take over, find by `at`, number, append, delete from staging by id."""

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


class SequenceFull(InTurns):
    """The same into a full log, where each append pushes the oldest batches out."""

    bare_is = "insert_many of the same messages, one document each, into such a full collection"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        load = stage.load
        self._capacity = max(least_capacity(1_000_000), load.messages * load.size // 4)
        self._fill = int(1.2 * self._capacity / load.size)
        """Messages that fill it to the brim."""

    def ours(self) -> Figures:
        load = self._stage.load
        with self._stage.outbox(self._fill, self._capacity) as outbox:
            outbox.sequence()
            seed(outbox, load.messages, load)
            figures = throughput(load.messages, outbox.sequence)
            if outbox.log.oldest() <= 1:
                raise RuntimeError("the log was not full")
            return figures

    def bare(self) -> Figures:
        load = self._stage.load
        with self._stage.database() as database:
            log = capped(database, self._capacity)
            for part in _parts(load.documents(self._fill)):
                log.insert_many(part)
            # Made before the clock starts, as the sequencer's are by the server.
            parts = list(_parts(load.documents(load.messages)))
            figures = throughput(load.messages, lambda: [log.insert_many(part) for part in parts])
            if log.estimated_document_count() >= self._fill + load.messages:
                raise RuntimeError("the collection was not full")
            return figures


def _parts(documents: Iterator[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    while part := list(itertools.islice(documents, _DOCUMENTS)):
        yield part

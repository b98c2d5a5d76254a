"""Measures moving messages out of an outbox and into another, beside the bare driver with the same documents."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from pymongo.collection import Collection

from bench.rig.benchmark import Figures, InTurns, cpu_timed
from bench.rig.stage import Stage, twin
from outbox.mongo.codec import RAW
from outbox.transfer.exporting import Export
from outbox.transfer.importing import MOST_LINES, import_lines
from outbox.transfer.mirroring import mirror


def _lines(stage: Stage) -> list[bytes]:
    exported = Export(stage.full.collections)
    return [line for _, lines in exported.read(exported.head()) for line in lines]


class Exported(InTurns):
    """All messages of a log as lines, which nobody keeps."""

    bare_is = "find over the log, raw"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        outbox, count = self._stage.full, self._stage.load.messages
        export = Export(outbox.collections)
        return cpu_timed(count, lambda: deque(export.read(export.head()), maxlen=0))

    def bare(self) -> Figures:
        log = self._stage.full.collections.log.with_options(codec_options=RAW)
        return cpu_timed(self._stage.load.messages, lambda: deque(log.find({"_id": {"$gt": 0}}), maxlen=0))


class Imported(InTurns):
    """The lines of an export put into an empty outbox, each once."""

    bare_is = f"insert_many of {MOST_LINES} in a transaction, under the same validator and index"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._lines = _lines(stage)
        self._count = stage.load.messages

    def ours(self) -> Figures:
        with self._stage.outbox() as outbox:
            return cpu_timed(self._count, lambda: import_lines(outbox.collections, self._lines))

    def bare(self) -> Figures:
        with self._stage.outbox() as outbox:
            return cpu_timed(self._count, self._inserting(twin(outbox)))

    def _inserting(self, into: Collection[dict[str, Any]]) -> Callable[[], None]:
        documents = self._stage.load.documents(self._count)

        def insert() -> None:
            with self._stage.client.start_session() as session:
                while some := list(itertools.islice(documents, MOST_LINES)):
                    with session.start_transaction():
                        into.insert_many(some, session=session)

        return insert


class Mirrored(Imported):
    """The same messages by a mirror, from log to log: the destination numbers them meanwhile."""

    def ours(self) -> Figures:
        source = self._stage.full
        with self._stage.outbox() as outbox, outbox.running():
            name, into, stop = uuid.uuid4().hex, outbox.collections, threading.Event()
            return cpu_timed(self._count, lambda: mirror(source, into, name, stop=stop, once=True))

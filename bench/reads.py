"""Reading the log, by `read` and by `observe`, beside a plain find over the same collection."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.read_concern import ReadConcern

from bench.benchmark import Figures, throughput
from bench.stage import Stage
from outbox import Outbox, Record
from outbox.collections import DECODED, RAW


class Read:
    """`read` from the oldest record to the head; the bare find decodes the same documents."""

    name = "read"
    bare_is = "find over the log, decoded"
    _options: CodecOptions[Any] = DECODED

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        outbox = self._stage.full
        return throughput(self._stage.load.messages, lambda: deque(outbox.read(), maxlen=0))

    def bare(self) -> Figures:
        log = self._stage.full.collections.log.with_options(
            codec_options=self._options, read_concern=ReadConcern("majority")
        )
        return throughput(self._stage.load.messages, lambda: deque(log.find({"_id": {"$gt": 0}}), maxlen=0))


class ReadRaw(Read):
    """The same reading; the bare find only fetches, and decodes nothing."""

    name = "read-raw"
    bare_is = "find over the log, raw"
    _options: CodecOptions[RawBSONDocument] = RAW


class Observe(Read):
    """A subscriber that does nothing with what it gets, from the oldest record to the head."""

    name = "observe"

    def ours(self) -> Figures:
        database = self._stage.full.collections.database
        with Outbox(database, sequence=False) as outbox:
            return throughput(self._stage.load.messages, lambda: self._observe(outbox))

    def _observe(self, outbox: Outbox) -> None:
        done = threading.Event()
        failed: list[Exception] = []
        last = self._stage.load.messages

        def see(record: Record[Any]) -> None:
            if record.seq == last:
                done.set()

        def fail(error: Exception) -> None:
            failed.append(error)
            done.set()

        outbox.observe("earliest").subscribe(see, fail)
        done.wait()
        if failed:
            raise failed[0]

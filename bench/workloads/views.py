"""Measures the view of the latest that is made anew, beside a plain loop with the same reads and writes."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pymongo import ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

from bench.rig.benchmark import Figures, InTurns, throughput
from bench.rig.messages import TYPES
from bench.rig.stage import Stage
from outbox.delivery.durable_reader import DurableReader
from outbox.latest.delivery import BATCH, ViewConfig
from outbox.latest.keeper import Beside
from outbox.latest.view import READER
from outbox.messages.compaction import KEY
from outbox.mongo.codec import DECODED
from outbox.readers.head import Head


@dataclass(frozen=True)
class _AllByKey(ViewConfig):
    """Takes all types as compacted by their key: the outbox that the others are measured with has none."""

    def look(self) -> bool:
        self.compactions.update(dict.fromkeys(TYPES.values(), KEY))
        return False

    def is_outgrown(self) -> bool:
        return False


class KeepLatest(InTurns):
    """The view, from the log's oldest record to the head."""

    bare_is = "find over the log, and for 500 records a transaction: entries are looked up and replaced, and a cursor"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        collections, stop = self._stage.full.collections, threading.Event()
        config = _AllByKey(Beside(collections, Head()), "", "oldest", "stop", random.random)
        reader = DurableReader(config, config.target(stop))
        figures = throughput(self._stage.load.messages, lambda: reader.run(stop, once=True))
        collections.cursors.delete_one({"_id": READER})
        collections.latest.drop()
        return figures

    def bare(self) -> Figures:
        return throughput(self._stage.load.messages, self._keep)

    def _keep(self) -> None:
        collections = self._stage.full.collections
        log = collections.log.with_options(codec_options=DECODED, read_concern=ReadConcern("majority"))
        entries, cursors = collections.database["plain.latest"], collections.database["plain.cursors"]

        def records() -> Iterator[tuple[int, dict[str, Any]]]:
            for batch in log.find({"_id": {"$gt": 0}}):
                yield from enumerate(batch["records"], batch["_id"])

        left = records()
        with collections.client.start_session() as session:
            while portion := list(islice(left, BATCH)):

                def work(session: ClientSession, portion: list[tuple[int, dict[str, Any]]] = portion) -> None:
                    newest = {record["key"]: {**record, "seq": seq} for seq, record in portion}
                    list(entries.find({"_id": {"$in": list(newest)}}, {"seq": 1}, session=session))
                    writes = [ReplaceOne({"_id": key}, each, upsert=True) for key, each in newest.items()]
                    entries.bulk_write(writes, ordered=False, session=session)
                    cursor = {"$set": {"seq": portion[-1][0]}}
                    cursors.update_one({"_id": "plain.latest"}, cursor, upsert=True, session=session)

                session.with_transaction(work)
        entries.drop()

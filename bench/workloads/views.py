"""Measures the view of the latest that is made anew, beside a plain loop with the same reads and writes."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

from pymongo import ReplaceOne
from pymongo.client_session import ClientSession

from bench.rig.benchmark import Figures, InTurns, throughput
from bench.rig.messages import TYPES
from bench.rig.portions import Numbered, in_portions
from bench.rig.stage import Stage
from outbox.delivery.durable_reader import DurableReader
from outbox.latest.delivery import BATCH, ViewConfig
from outbox.latest.keeper import Beside
from outbox.latest.view import READER
from outbox.messages.compaction import KEY
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
        database = self._stage.full.collections.database
        entries, cursors = database["plain.latest"], database["plain.cursors"]

        def work(portion: list[Numbered], session: ClientSession) -> None:
            newest = {record["key"]: {**record, "seq": seq} for seq, record in portion}
            list(entries.find({"_id": {"$in": list(newest)}}, {"seq": 1}, session=session))
            writes = [ReplaceOne({"_id": key}, each, upsert=True) for key, each in newest.items()]
            entries.bulk_write(writes, ordered=False, session=session)
            cursor = {"$set": {"seq": portion[-1][0]}}
            cursors.update_one({"_id": "plain.latest"}, cursor, upsert=True, session=session)

        in_portions(self._stage.full, BATCH, work)
        entries.drop()

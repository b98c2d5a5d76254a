"""Measures a projection that catches up, a state a key, beside a plain loop with the same reads and writes."""

from __future__ import annotations

import threading
from typing import Any

from pymongo import ReplaceOne
from pymongo.client_session import ClientSession

from bench.rig.benchmark import Figures, InTurns, throughput
from bench.rig.portions import Numbered, in_portions
from bench.rig.stage import Stage
from outbox import Outbox, Record

BATCH = 500
State = dict[str, int]


class Project(InTurns):
    """A projection by key, from the oldest record to the head."""

    bare_is = "find over the log, and for 500 records a transaction: their states are read and replaced, and a cursor"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._rounds = 0

    def ours(self) -> Figures:
        self._rounds += 1
        with Outbox(self._stage.full.collections.database, sequence=False) as outbox:
            projection = outbox.projection(f"bench-{self._rounds}", initial=dict, apply=count, by="key")
            running = threading.Thread(target=projection.run)

            def work() -> None:
                running.start()
                projection.wait_caught_up(600)

            figures = throughput(self._stage.load.messages, work)
            projection.stop()
            running.join()
            projection.forget()
            return figures

    def bare(self) -> Figures:
        return throughput(self._stage.load.messages, self._project)

    def _project(self) -> None:
        database = self._stage.full.collections.database
        states, cursors = database["plain.states"], database["plain.cursors"]

        def work(portion: list[Numbered], session: ClientSession) -> None:
            keys = list({record["key"] for _, record in portion})
            found = {each["_id"]: each for each in states.find({"_id": {"$in": keys}}, session=session)}
            for seq, record in portion:
                state = found.setdefault(record["key"], {"_id": record["key"], "count": 0})
                state |= {"count": state["count"] + 1, "seq": seq}
            writes = [ReplaceOne({"_id": key}, state, upsert=True) for key, state in found.items()]
            states.bulk_write(writes, ordered=False, session=session)
            cursor = {"$set": {"seq": portion[-1][0]}}
            cursors.update_one({"_id": "plain"}, cursor, upsert=True, session=session)

        in_portions(self._stage.full, BATCH, work)
        states.drop()


def count(state: State, _: Record[Any]) -> State:
    return {"count": state.get("count", 0) + 1}

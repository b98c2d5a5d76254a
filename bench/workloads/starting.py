"""Measures the command `relay run` from its start, and across a SIGKILL."""

from __future__ import annotations

import time

from bench.rig.benchmark import Alone, Figures, InTurns
from bench.rig.relay_command import RELAY, RelayCommand
from bench.rig.stage import Stage, capped, seed
from bench.rig.topic import TopicView
from outbox.embedded.child_process import ChildProcess

_SECONDS = 600.0
_METRIC = "start → first record s"


class Start(InTurns):
    """With one message waiting, and a cursor and an outbox that are there already."""

    bare_is = "a program that tails a capped collection and produces"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        stage = self._stage
        with stage.topic() as topic, stage.outbox(1) as outbox, TopicView(stage.kafka, topic) as view:
            relay = RelayCommand(stage.mongo, outbox.collections.database.name, stage.kafka, topic)
            relay.once()
            seed(outbox, 1, stage.load)
            before = view.end()
            began = time.monotonic()
            with relay.running() as child:
                return {_METRIC: view.wait(before + 1, _SECONDS, lambda: child.exit_code) - began}

    def bare(self) -> Figures:
        stage = self._stage
        with stage.topic() as topic, stage.database() as database, TopicView(stage.kafka, topic) as view:
            log = capped(database, stage.load.capacity)
            log.insert_many(list(stage.load.documents(1)))
            view.end()
            began = time.monotonic()
            places = (stage.mongo, database.name, stage.kafka, topic)
            child = ChildProcess([RELAY[0], "-m", "bench.rig.forward", *places], log=stage.scratch / "forward.log")
            try:
                return {_METRIC: view.wait(1, _SECONDS, lambda: child.exit_code) - began}
            finally:
                child.kill()


class Killed(Alone):
    """SIGKILL halfway through a backlog, and another relay: what does the topic hold twice?"""

    _options: tuple[str, ...] = ()

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        stage, count = self._stage, self._stage.load.messages
        with stage.topic() as topic, stage.outbox(count) as outbox, TopicView(stage.kafka, topic) as view:
            database = outbox.collections.database.name
            options = (*self._options, "--create-topic", "partitions=3,replication=1")
            relay = RelayCommand(stage.mongo, database, stage.kafka, topic, *options)
            with relay.running() as child:
                view.wait(count // 2, _SECONDS, lambda: child.exit_code)
                child.kill()
            killed = time.monotonic()
            before = view.end()
            with relay.running("--once") as child:
                first = before if before >= count else before + 1
                again = view.wait(first, _SECONDS) - killed
                child.wait(_SECONDS)
            records, distinct = view.contents()
            return {"repeated": records - distinct, "missing": count - distinct, "SIGKILL → next record s": again}


class KilledExactlyOnce(Killed):
    """The same in transactions, as who reads committed finds it."""

    _options = ("--exactly-once",)

"""Relaying, from a full log or from a staging backlog, beside a bare produce loop."""

from __future__ import annotations

from bench.benchmark import Figures
from bench.process import in_process
from bench.produce import produce
from bench.relaying import relay_all
from bench.stage import Stage
from outbox import Outbox


class RelayLog:
    """From a full log."""

    name = "relay"
    bare_is = "produce loop, same headers and callbacks"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        return self._relay(self._stage.full, sequence=False)

    def bare(self) -> Figures:
        stage = self._stage
        with stage.topic() as topic:
            return in_process(produce, stage.kafka, topic, stage.load.messages, stage.load)

    def _relay(self, outbox: Outbox, sequence: bool) -> Figures:
        database = outbox.collections.database.name
        with self._stage.topic() as topic:
            return in_process(relay_all, self._stage.mongo, database, self._stage.kafka, topic, sequence)


class RelayStaging(RelayLog):
    """From a staging backlog: one process sequences and relays."""

    name = "sequence-relay"

    def ours(self) -> Figures:
        with self._stage.outbox(self._stage.load.messages) as outbox:
            return self._relay(outbox, sequence=True)

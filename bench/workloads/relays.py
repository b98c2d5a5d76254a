"""Measures relaying from a full log or from a staging backlog, beside a bare produce loop."""

from __future__ import annotations

from bench.rig.benchmark import Figures, InTurns
from bench.rig.process import in_process
from bench.rig.produce import produce
from bench.rig.relaying import relay_all
from bench.rig.stage import Stage
from bench.rig.watched import How, relay_watched
from outbox import Outbox


class RelayLog(InTurns):
    """From a full log."""

    bare_is: str | None = "produce loop, same headers and callbacks"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        return self._relay(self._stage.full, sequence=False)

    def bare(self) -> Figures:
        stage = self._stage
        with stage.topic() as topic:
            return in_process(produce, stage.kafka, topic, stage.load.messages, stage.load)

    def _relay(self, outbox: Outbox, sequence: bool, exactly_once: bool = False) -> Figures:
        stage, database = self._stage, outbox.collections.database.name
        with stage.topic() as topic:
            return in_process(relay_all, stage.mongo, database, stage.kafka, topic, sequence, exactly_once)


class RelayStaging(RelayLog):
    """From a staging backlog: one process sequences and relays."""

    def ours(self) -> Figures:
        with self._stage.outbox(self._stage.load.messages) as outbox:
            return self._relay(outbox, sequence=True)


class RelayExactlyOnce(RelayLog):
    """From a full log in transactions, beside the same relay without."""

    bare_is = "the same relay, at least once"

    def ours(self) -> Figures:
        return self._relay(self._stage.full, sequence=False, exactly_once=True)

    def bare(self) -> Figures:
        return super().ours()


class RelayWatched(RelayLog):
    """From a full log while it is looked at, beside the same relay that nobody looks at."""

    bare_is = "the same relay, unwatched"

    def __init__(self, stage: Stage, how: How) -> None:
        super().__init__(stage)
        self._how = how

    def ours(self) -> Figures:
        stage, database = self._stage, self._stage.full.collections.database.name
        with stage.topic() as topic:
            return in_process(relay_watched, stage.mongo, database, stage.kafka, topic, self._how)

    def bare(self) -> Figures:
        return super().ours()

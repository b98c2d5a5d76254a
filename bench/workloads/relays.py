"""Measures relaying from a full log or from a staging backlog, beside a bare produce loop."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench.rig.benchmark import Figures, InTurns, Round
from bench.rig.process import in_process
from bench.rig.produce import produce
from bench.rig.relaying import relay_all
from bench.rig.stage import Stage
from bench.rig.watched import How, RelayProcess
from outbox import Outbox

TURNS = 6


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


class RelayWatched:
    """From a full log while it is looked at, beside the same relay that nobody looks at: two processes, by turns."""

    bare_is: str | None = "the same relay, unwatched"

    def __init__(self, stage: Stage, how: How) -> None:
        self._stage = stage
        self._how = how

    def round(self) -> Round:
        """The median turn of each, and the median ratio of two turns that follow each other."""
        stage, database = self._stage, self._stage.full.collections.database.name
        with stage.topic() as topic:
            places = (stage.mongo, database, stage.kafka, topic)
            with RelayProcess(*places, self._how) as watched, RelayProcess(*places, None) as unwatched:
                ours, bare = watched.at_rest(), unwatched.at_rest()
                ratio = {metric: ours[metric] / value for metric, value in bare.items()}
                turns = list(_turns(watched, unwatched))
        for metric in turns[0][0]:
            ours[metric] = statistics.median(mine[metric] for mine, _ in turns)
            bare[metric] = statistics.median(other[metric] for _, other in turns)
            ratio[metric] = statistics.median(mine[metric] / other[metric] for mine, other in turns)
        return Round(ours, bare, ratio)


def _turns(watched: RelayProcess, unwatched: RelayProcess) -> Iterator[tuple[Figures, Figures]]:
    """Each of them first every other time; the first turns, which open connections, do not count."""
    for number in range(TURNS + 1):
        order = (watched, unwatched) if number % 2 == 0 else (unwatched, watched)
        took = {which: which.turn() for which in order}
        if number:
            yield took[watched], took[unwatched]

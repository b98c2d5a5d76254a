"""Measures how long after its put a message is seen at a steady rate: in the log, by an observer, by a consumer."""

from __future__ import annotations

from functools import partial

from bench.rig import watchers, writers
from bench.rig.benchmark import Figures, InTurns
from bench.rig.load import Load
from bench.rig.process import background, watched
from bench.rig.relaying import relay_on, wait_for_relay
from bench.rig.sightings import Sightings
from bench.rig.stage import Stage, capped


def _count(load: Load, rate: int) -> int:
    """As many seconds at any rate: 5 for 50,000 messages."""
    return load.part(10_000 // rate)


class Observed(InTurns):
    """The sequencer and an observer in this process; the writer, and a watcher of the log, in their own."""

    bare_is = "insert into a capped collection, tailable cursor"

    def __init__(self, stage: Stage, rate: int) -> None:
        self._stage = stage
        self._rate = rate
        self._count = _count(stage.load, rate)

    def ours(self) -> Figures:
        observed = Sightings("observer", self._count)
        with self._stage.outbox() as outbox:
            outbox.observe("earliest").subscribe(
                lambda record: observed.saw((record.data or {})["sent"]), observed.fail
            )
            logged = self._watched(writers.put, outbox.collections.database.name, outbox.name)
            observed.wait()
        return {**logged, **observed.figures()}

    def bare(self) -> Figures:
        with self._stage.database() as database:
            log = capped(database, self._stage.load.capacity)
            log.insert_one({"records": []})  # a tailable cursor on an empty collection dies at once
            figures = self._watched(writers.insert, database.name, log.name)
        return {**figures, **{metric.replace("log", "observer"): value for metric, value in figures.items()}}

    def _watched(self, writer: writers.Writer, database: str, log: str) -> Figures:
        mongo = self._stage.mongo
        return watched(
            partial(watchers.tail, mongo, database, log, self._count),
            partial(writer, mongo, database, self._rate, self._count, self._stage.load),
        )


class Consumed(InTurns):
    """The writer, the relay, which sequences, and the consumer, each in a process of its own."""

    bare_is = "produce, consume"

    def __init__(self, stage: Stage, rate: int) -> None:
        self._stage = stage
        self._rate = rate
        self._count = _count(stage.load, rate)

    def ours(self) -> Figures:
        stage = self._stage
        with stage.topic() as topic, stage.outbox() as outbox:
            database = outbox.collections.database.name
            with background(relay_on, stage.mongo, database, stage.kafka, topic):
                wait_for_relay(outbox)
                return self._watched(writers.put, topic, stage.mongo, database)

    def bare(self) -> Figures:
        with self._stage.topic() as topic:
            return self._watched(writers.produce, topic, self._stage.kafka, topic)

    def _watched(self, writer: writers.Writer, topic: str, server: str, place: str) -> Figures:
        return watched(
            partial(watchers.consume, self._stage.kafka, topic, self._count),
            partial(writer, server, place, self._rate, self._count, self._stage.load),
        )

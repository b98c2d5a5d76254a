"""Measures an outbox that has nothing to do, or little: commands to the database, and CPU of the relay."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bench.rig import writers
from bench.rig.benchmark import Figures, InTurns
from bench.rig.forward import forward
from bench.rig.process import Background, background
from bench.rig.relaying import relay_on, wait_for_relay
from bench.rig.stage import Stage, capped
from tests.waiting import wait_until

RATE = 200
_SETTLE_SECONDS = 3.0
_START_SECONDS = 60.0
_DRIVERS_OWN = ("hello", "isMaster", "serverStatus")
"""Of each client's watch over its server, and of the counting itself."""
_SERVERS_OWN = ("_", "repl")
"""Beginnings of commands that members of a replica set send each other."""


class Idle(InTurns):
    """A relay, sequencing too, at rest and at 200 messages a second."""

    bare_is = "a process that tails a capped collection and produces"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._seconds = stage.load.part(5000)

    def ours(self) -> Figures:
        stage = self._stage
        with stage.topic() as topic, stage.outbox() as outbox:
            database = outbox.collections.database.name
            with background(relay_on, stage.mongo, database, stage.kafka, topic) as relay:
                wait_for_relay(outbox)
                return self._figures(relay, writers.put, database, outbox.log.head)

    def bare(self) -> Figures:
        stage = self._stage
        with stage.topic() as topic, stage.database() as database:
            log = capped(database, stage.load.capacity)
            log.insert_one({"records": []})  # a tailable cursor on an empty collection dies at once
            with background(forward, stage.mongo, database.name, stage.kafka, topic) as relay:
                return self._figures(relay, writers.insert, database.name, log.estimated_document_count)

    def _figures(self, relay: Background, writer: writers.Writer, database: str, written: Callable[[], int]) -> Figures:
        time.sleep(min(_SETTLE_SECONDS, self._seconds))  # tails are opened beside the work
        before, began, used = self._commands(), time.monotonic(), relay.cpu_seconds()
        time.sleep(self._seconds)
        rests, commands, seconds = relay.cpu_seconds() - used, self._commands() - before, time.monotonic() - began
        load = self._stage.load
        with background(_write, writer, self._stage.mongo, database, RATE * (self._seconds + 1), load):
            # The writer needs a while to begin, and the relay to get used to it.
            wait_until(lambda: written() >= RATE, _START_SECONDS, "a second's messages")
            at, used = time.monotonic(), relay.cpu_seconds()
            cap = _START_SECONDS + 2 * self._seconds
            wait_until(lambda: written() >= RATE * (self._seconds + 1), cap, "the last message")
            works, worked = relay.cpu_seconds() - used, time.monotonic() - at
        return {
            "idle: commands/s": commands / seconds,
            "idle: CPU %": 100 * rests / seconds,
            f"at {RATE}/s: CPU %": 100 * works / worked,
        }

    def _commands(self) -> int:
        """All that the server has done for clients so far."""
        counted: dict[str, Any] = self._stage.client.admin.command("serverStatus")["metrics"]["commands"]
        return sum(
            count["total"]
            for name, count in counted.items()
            if isinstance(count, dict) and name not in _DRIVERS_OWN and not name.startswith(_SERVERS_OWN)
        )


def _write(_: object, writer: writers.Writer, mongo: str, database: str, count: int, load: Any) -> None:
    writer(mongo, database, RATE, count, load)

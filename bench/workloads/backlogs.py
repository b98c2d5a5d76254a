"""Curves of relaying: over the backlog, the size of a message, and the number of shares."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

from bench.figures.curve import Axes, Point
from bench.rig.load import Load
from bench.rig.process import in_process, peak_mib
from bench.rig.relay_command import RELAY, RelayCommand
from bench.rig.relaying import relay_all
from bench.rig.stage import Stage
from bench.rig.topic import TopicView

_LOG_BYTES = 1 << 30
"""A log that is large enough for any speed, and rolls over when the backlog is larger."""
_COPIES = 4
"""How often a message may be on the disk at once: in staging, the oplog, the log and the broker."""
_BYTES = 256 << 20
"""Of all messages of a size together."""
_LEAST = 200
_SECONDS = 600.0


class Backlog:
    """One process sequences and relays so many messages."""

    axes = Axes("messages in staging", "messages/s", "staging → Kafka, all of them", 1)
    points = (10_000, 100_000, 1_000_000, 10_000_000)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def why_not(self, x: int) -> str | None:
        needed, free = x * self._stage.load.size * _COPIES, shutil.disk_usage(tempfile.gettempdir()).free
        return None if needed < free else f"needs {needed >> 30} GiB of disk, {free >> 30} are free"

    def measure(self, x: int) -> Point:
        return relayed(self._stage, replace(self._stage.load, messages=x), x)


class Size:
    """The same with messages of so many bytes, fewer of them when they are large."""

    axes = Axes("bytes of a value", "messages/s", "staging → Kafka, a message", 1)
    points = (100, 1_000, 10_000, 100_000, 900_000)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def why_not(self, x: int) -> str | None:
        return None

    def measure(self, x: int) -> Point:
        count = max(min(_LEAST, self._stage.load.messages), min(self._stage.load.messages, _BYTES // x))
        point = relayed(self._stage, Load.of_value(count, x), x)
        return point._replace(seconds=point.seconds / count)


def relayed(stage: Stage, load: Load, x: int) -> Point:
    """The point of relaying all of `load` from staging."""
    capacity = min(load.capacity, _LOG_BYTES)
    with stage.outbox(load.messages, capacity, load) as outbox, stage.topic() as topic:
        database = outbox.collections.database.name
        figures = in_process(relay_all, stage.mongo, database, stage.kafka, topic, sequence=True)
    rate = figures["messages/s"]
    return Point(x, load.messages / rate, rate, figures["resident MiB"])


class Shares:
    """One process of the command relays a full log in so many shares."""

    axes = Axes("shares", "messages/s", "log → Kafka, all of them", 0)
    points = (1, 2, 4, 8)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def why_not(self, x: int) -> str | None:
        if x == 1:
            return None
        options = subprocess.run([*RELAY, "run", "--help"], capture_output=True, text=True, check=True).stdout
        return None if "--shares" in options else "`relay run` has no --shares"

    def measure(self, x: int) -> Point:
        stage, count = self._stage, self._stage.load.messages
        database = stage.full.collections.database.name
        shares = () if x == 1 else ("--shares", str(x))
        name = f"bench-{x}-{time.monotonic_ns()}"
        with stage.topic() as topic, TopicView(stage.kafka, topic) as view:
            relay = RelayCommand(stage.mongo, database, stage.kafka, topic, "--name", name, *shares)
            with relay.running() as child:
                began = view.wait(1, _SECONDS, lambda: child.exit_code)
                before = view.end()
                seconds = view.wait(count, _SECONDS, lambda: child.exit_code) - began
                resident = peak_mib(child.pid) if sys.platform == "linux" else None
        # What was there at the first look took no time that was seen.
        seconds *= count / max(1, count - before) if before < count else 1
        return Point(x, seconds, count / seconds, resident)

"""The relay in a process of its own, set up as the command does; what that loads is part of a relay's memory."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Collection, Iterator
from multiprocessing.connection import Connection
from typing import Any

from pymongo import MongoClient

import relay.cli  # noqa: F401  # see above
from bench.benchmark import Figures
from bench.process import SPAWN, resident_mib
from outbox import Outbox
from relay import KafkaSink, Relay, Topics
from relay.memory import keep_memory

_STOP_SECONDS = 20.0


class _Timed(KafkaSink):
    """Knows when the relay had checked its topics, and when it was done: between the two lies the work."""

    checked = closed = (0.0, 0.0)
    """Seconds by the clock, and of CPU."""

    def check(self, topics: Collection[str]) -> None:
        super().check(topics)
        self.checked = time.perf_counter(), time.process_time()

    def close(self) -> None:
        self.closed = time.perf_counter(), time.process_time()
        super().close()


def relay_all(mongo: str, database: str, kafka: str, topic: str, sequence: bool) -> Figures:
    """Relays a whole outbox, under a name that has no cursor yet; for a process of its own."""
    keep_memory()
    sink = _Timed(kafka)
    name = f"bench-{uuid.uuid4().hex[:8]}"
    with MongoClient[dict[str, Any]](mongo) as client, Outbox(client[database], sequence=sequence) as outbox:
        Relay(outbox, sink, topics=Topics(topic), name=name).run(threading.Event(), once=True)
        resident = resident_mib()
        cursor = outbox.collections.cursors.find_one({"_id": f"relay:{name}"})
        count = 0 if cursor is None else cursor["seq"]
    seconds, used = (after - before for before, after in zip(sink.checked, sink.closed, strict=True))
    return {"messages/s": count / seconds, "CPU µs/message": 1e6 * used / count, "resident MiB": resident}


@contextlib.contextmanager
def relaying(mongo: str, database: str, kafka: str, topic: str) -> Iterator[None]:
    """A relay in a process of its own, sequencing too, until the `with` ends. Raises RuntimeError when it failed."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_relay_until_told, args=(theirs, mongo, database, kafka, topic))
    process.start()
    try:
        yield
    finally:
        ours.close()
        theirs.close()
        process.join(_STOP_SECONDS)
        process.kill()
    if process.exitcode:
        raise RuntimeError(f"the relay ended with exit code {process.exitcode}")


def _relay_until_told(told: Connection, mongo: str, database: str, kafka: str, topic: str) -> None:
    keep_memory()
    stop = threading.Event()

    def listen() -> None:
        with contextlib.suppress(EOFError):  # the other end is closed: by `relaying`, or by the end of its process
            told.recv()
        stop.set()

    threading.Thread(target=listen, daemon=True).start()
    with MongoClient[dict[str, Any]](mongo) as client, Outbox(client[database]) as outbox:
        Relay(outbox, KafkaSink(kafka), topics=Topics(topic)).run(stop)

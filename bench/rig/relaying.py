"""Runs the relay in another process, as the command does: what the command loads is part of a relay's memory."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Collection
from typing import Any

from pymongo import MongoClient

import relay.cli.run  # noqa: F401  # see above
from bench.rig.benchmark import Figures
from bench.rig.load import PARTITIONS
from bench.rig.process import resident_mib
from outbox import Outbox
from outbox.log.reader_id import relay_id
from relay import KafkaSink, KafkaTransactions, NewTopics, Relay, Topics
from relay.cli.process import keep_memory
from tests.waiting import wait_until

_START_SECONDS = 60.0


class _Timed(KafkaSink):
    """Notes when the relay had checked its topics, and when it was done: the work lies between the two."""

    checked = closed = (0.0, 0.0)
    """Seconds by the clock, and of CPU."""

    def check(self, topics: Collection[str]) -> None:
        super().check(topics)
        self.checked = time.perf_counter(), time.process_time()

    def close(self) -> None:
        self.closed = time.perf_counter(), time.process_time()
        super().close()


class _TimedTransactions(_Timed, KafkaTransactions):
    """The same for the sink that delivers exactly once."""


def relay_all(mongo: str, database: str, kafka: str, topic: str, sequence: bool, exactly_once: bool = False) -> Figures:
    """Relays a whole outbox, under a name that has no cursor yet; for a process of its own."""
    keep_memory()
    sink = (_TimedTransactions if exactly_once else _Timed)(kafka, create=NewTopics(PARTITIONS, 1))
    with MongoClient[dict[str, Any]](mongo) as client, Outbox(client[database], sequence=sequence) as outbox:
        figures = relayed(outbox, sink, topic, f"bench-{uuid.uuid4().hex[:8]}")
        return {**figures, "resident MiB": resident_mib()}


def relay_again(outbox: Outbox, kafka: str, topic: str, name: str) -> Figures:
    """Relays a whole outbox from its beginning, whatever the relay of this name has relayed before."""
    outbox.collections.cursors.delete_one({"_id": relay_id(name)})
    return relayed(outbox, _Timed(kafka), topic, name)


def relayed(outbox: Outbox, sink: _Timed, topic: str, name: str) -> Figures:
    """Relays all that is left to a relay, and measures it between its start and its end."""
    Relay(outbox, sink, topics=Topics(topic), name=name).run(threading.Event(), once=True)
    cursor = outbox.collections.cursors.find_one({"_id": relay_id(name)})
    count = 0 if cursor is None else cursor["seq"]
    seconds, used = (after - before for before, after in zip(sink.checked, sink.closed, strict=True))
    return {"messages/s": count / seconds, "CPU µs/message": 1e6 * used / count}


def relay_on(stop: threading.Event, mongo: str, database: str, kafka: str, topic: str) -> None:
    """Sequences and relays until `stop`; for a process of its own."""
    keep_memory()
    with MongoClient[dict[str, Any]](mongo) as client, Outbox(client[database]) as outbox:
        Relay(outbox, KafkaSink(kafka), topics=Topics(topic)).run(stop)


def wait_for_relay(outbox: Outbox) -> None:
    """Until it has begun, so that its start is not measured with its work."""
    wait_until(lambda: outbox.collections.cursors.find_one({}), _START_SECONDS, "the relay's first cursor")

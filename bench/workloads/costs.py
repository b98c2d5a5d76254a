"""Measures what one message costs: CPU of processes and servers, and bytes. `estimate` computes with that."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.rig.benchmark import Alone, Figures
from bench.rig.messages import HEADERS, Sent
from bench.rig.process import in_process
from bench.rig.produce import record
from bench.rig.relaying import relay_all
from bench.rig.stage import Stage, plain
from bench.workloads.puts import LIST
from outbox import Outbox

_TICKS = os.sysconf("SC_CLK_TCK")
_BY_TURNS = 25
"""Transactions with and without a put."""
_SAMPLE = 100
"""Records whose size is looked at."""


class Costs(Alone):
    """Each stage by itself, so that what the servers use meanwhile is of that stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        return {**self._put(), **self._sequence(), **self._relay(), **self._bytes()}

    def _put(self) -> Figures:
        """A transaction a message, without its business write's share, and a transaction a list."""
        stage = self._stage
        messages = stage.load.some(stage.load.part(20))
        with stage.outbox() as outbox:
            outbox.put(messages[0], headers=HEADERS, standalone=True)
            orders = plain(outbox.collections.database, "orders")

            def transactions(some: list[Sent], put: bool) -> None:
                for message in some:
                    with stage.client.start_session() as session, session.start_transaction():
                        orders.insert_one({"order": message.order_id}, session=session)
                        if put:
                            outbox.put(message, session=session, headers=HEADERS)

            alone: Figures = {}
            for some in _parts(messages, _BY_TURNS):  # by turns, as the difference is small
                without = self._used("put", len(messages), partial(transactions, some, False))
                beside = self._used("put", len(messages), partial(transactions, some, True))
                for metric, value in beside.items():
                    alone[metric] = alone.get(metric, 0.0) + value - without[metric]

            def lists() -> None:
                for some in _parts(messages, LIST):
                    outbox.put(some, headers=HEADERS, standalone=True)

            # Of few messages the difference can by chance be below nothing.
            return {
                **{metric: max(0.0, value) for metric, value in alone.items()},
                **self._used("put in lists", len(messages), lists),
            }

    def _sequence(self) -> Figures:
        stage, count = self._stage, self._stage.load.messages
        with stage.outbox(count) as outbox:
            began = time.perf_counter()
            figures = self._used("sequence", count, outbox.sequence)
            return {**figures, "sequence: messages/s": count / (time.perf_counter() - began)}

    def _relay(self) -> Figures:
        stage, outbox = self._stage, self._stage.full
        with stage.topic() as topic:
            figures: Figures = {}

            def relay() -> None:
                name = outbox.collections.database.name
                figures.update(in_process(relay_all, stage.mongo, name, stage.kafka, topic, False))

            broker = self._broker_seconds()
            servers = self._used("relay", stage.load.messages, relay)
            if broker is not None:
                used = (self._broker_seconds() or broker) - broker
                servers["relay: broker CPU µs"] = 1e6 * used / stage.load.messages
        # The relay is a process of its own; what this one used was waiting.
        servers["relay: process CPU µs"] = figures["CPU µs/message"]
        return {**servers, "relay: messages/s": figures["messages/s"]}

    def _bytes(self) -> Figures:
        outbox = self._stage.full
        sizes = [_size(self._stage, number) for number in range(_SAMPLE)]
        log = _collection_bytes(outbox) / self._stage.load.messages
        return {"log: bytes": log, "record: bytes": sum(sizes) / len(sizes)}

    def _used(self, name: str, count: int, work: Callable[[], object]) -> Figures:
        server, process = self._server_seconds(), time.process_time()
        work()
        used = time.process_time() - process
        return {
            f"{name}: process CPU µs": 1e6 * used / count,
            f"{name}: mongod CPU µs": 1e6 * (self._server_seconds() - server) / count,
        }

    def _server_seconds(self) -> float:
        """CPU of the primary so far."""
        extra: dict[str, Any] = self._stage.client.admin.command("serverStatus")["extra_info"]
        return float(extra["user_time_us"] + extra["system_time_us"]) / 1e6

    def _broker_seconds(self) -> float | None:
        """CPU of the broker so far, when it was started here; on Linux alone."""
        if self._stage.broker_pid is None or sys.platform != "linux":
            return None
        fields = Path(f"/proc/{self._stage.broker_pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def _parts(messages: list[Sent], size: int) -> Iterator[list[Sent]]:
    for first in range(0, len(messages), size):
        yield messages[first : first + size]


def _size(stage: Stage, number: int) -> int:
    key, value, headers = record(stage.load.message(number), number)
    return len(key) + len(value) + sum(len(name) + len(text) for name, text in headers)


def _collection_bytes(outbox: Outbox) -> int:
    """Of the log, before compression."""
    return int(outbox.collections.database.command("collStats", outbox.name)["size"])

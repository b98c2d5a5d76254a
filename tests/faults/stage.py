"""Everything the soak breaks: three mongods and a broker behind proxies, writers, and two relays."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Self

from pymongo import MongoClient

from tests.acceptance.ledger import Ledger, Written
from tests.acceptance.process import Process
from tests.acceptance.topic import PARTITIONS, Topic
from tests.faults.service import Service
from tests.servers.kafka import KafkaBroker, create_topic
from tests.servers.partition import PartitionedSet
from tests.servers.produce_fault import ProduceFault
from tests.servers.proxy import Proxy

LEASE_SECONDS = 2.0
TOPIC = "ledger.entry"
NOT_REACHABLE = 3  # the relay's exit code, when it is started while a server is away


class Stage:
    """Starts all of it inside the `with`; what the processes say is kept in `folder`."""

    def __init__(self, folder: Path, *, writers: int, rate: float) -> None:
        self.nodes = PartitionedSet()
        self.broker = KafkaBroker()
        self.refusals = ProduceFault()
        self.to_broker = Proxy(self.broker.far_port, traffic=self.refusals.traffic)
        self.relays: list[Process] = []
        self.troubles: list[str] = []
        """Processes that ended and should not have."""
        self._folder, self._writers, self._rate = folder, writers, rate
        self._started: list[Process] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self.broker.close)
            stack.enter_context(self.nodes)
            stack.enter_context(self.to_broker)
            self.broker.far_address = self.to_broker.address
            self.broker.start()
            create_topic(self.broker.bootstrap, TOPIC, PARTITIONS)
            topic = stack.enter_context(contextlib.closing(Topic(self.broker.bootstrap, TOPIC)))
            client: MongoClient[dict[str, Any]] = stack.enter_context(MongoClient(self.nodes.uri))
            self.service = Service(Ledger(client["soak"]), self.nodes.uri, topic, self._start)
            stack.callback(self._end)
            for _ in range(self._writers):
                self.service.write(self._rate)
            self.relays = [self.new_relay(), self.new_relay()]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def new_relay(self) -> Process:
        return self.service.relay(lease=LEASE_SECONDS, kafka=self.to_broker.address)

    def supervise(self) -> None:
        """Starts a relay again that could not start, as a supervisor does; notes all that should not have ended."""
        for index, relay in enumerate(self.relays):
            if relay.exit_code is not None:
                if relay.exit_code != NOT_REACHABLE:
                    self.troubles.append(f"a relay ended with {relay.exit_code}: {relay.said()[-1000:]}")
                self.relays[index] = self.new_relay()
        for writer in [each for each in self.service.writers if each.exit_code is not None]:
            trouble = f"a writer ended with {writer.exit_code}: {writer.said()[-1000:]}"
            if trouble not in self.troubles:
                self.troubles.append(trouble)

    def finish(self) -> Written:
        """Nothing is broken any more: the writers end, and the relays deliver the rest and end."""
        self.nodes.wait_until_healthy()
        self.supervise()
        written = self.service.finish()
        for relay in self.relays:
            relay.stop()
        return written

    def _start(self, script: str, *arguments: object) -> Process:
        output = self._folder / f"{len(self._started):03}-{script}.log"
        self._started.append(Process(output, script, *arguments))
        return self._started[-1]

    def _end(self) -> None:
        for process in self._started:
            process.end()

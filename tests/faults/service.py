"""A service at work: writers that commit entries, and relays that bring them to Kafka."""

from __future__ import annotations

from collections.abc import Callable

from outbox.mongo.lease import read_lease
from tests.acceptance.ledger import Ledger, Written
from tests.acceptance.process import Process
from tests.acceptance.topic import Topic
from tests.waiting import wait_until

PATIENCE_SECONDS = 60.0


class Service:
    """The ledger's outbox, made here with `settings`, and one topic. `start` starts a script of the acceptance tests'
    processes/."""

    def __init__(
        self, ledger: Ledger, uri: str, topic: Topic, start: Callable[..., Process], **settings: object
    ) -> None:
        self.ledger = ledger
        self.topic = topic
        self.writers: list[Process] = []
        self._uri = uri
        self._start = start
        ledger.create(**settings)

    def write(self, rate: float = 150.0, **options: object) -> Process:
        """A writer until SIGTERM; `rate` in messages a second."""
        more = [f"--{name}={value}" for name, value in options.items()]
        place = (self._uri, self.ledger.database.name)
        self.writers.append(self._start("write", *place, "--rate", rate, "--seed", len(self.writers), *more))
        return self.writers[-1]

    def relay(self, *arguments: object, lease: float, kafka: str | None = None, uri: str | None = None) -> Process:
        """A relay, with the lease time in seconds. `kafka` and `uri`: other ways to the same servers."""
        return self._start(
            "relay_with", "--lease", lease, "run",
            "--mongo", self._uri if uri is None else uri, "--database", self.ledger.database.name,
            "--kafka", self.topic.bootstrap if kafka is None else kafka, "--topic", self.topic.name, *arguments,
        )  # fmt: skip

    def holder(self) -> int | None:
        """The process id of the relay that works."""
        lease = read_lease(self.ledger.collections.leases, "relay:kafka")
        return None if lease is None or lease["owner"] is None else int(lease["owner"].split(":")[-2])

    def wait_until_held(self, relay: Process) -> None:
        wait_until(lambda: self.holder() == relay.pid, PATIENCE_SECONDS, f"{relay.pid} to be the relay that works")

    def wait_until_delivered(self, records: int) -> None:
        """Until Kafka has that many more than now."""
        enough = self.topic.end() + records
        wait_until(lambda: self.topic.end() >= enough, PATIENCE_SECONDS, f"{records} more records in Kafka")

    def saved(self) -> int:
        """The relay's cursor, as its `seq`; 0 before the first."""
        found = self.ledger.collections.cursors.find_one({"_id": "relay:kafka"})
        return 0 if found is None else int(found["seq"])

    def finish(self) -> Written:
        """The writers end, whoever relays delivers the rest; returns what was committed."""
        for writer in self.writers:
            writer.stop()
        head = wait_until(lambda: self.ledger.staged() == 0 and self.ledger.head(), PATIENCE_SECONDS, "empty staging")
        wait_until(lambda: self.saved() == head, PATIENCE_SECONDS, "the relay to be at the head")
        return self.ledger.written(self.writers)

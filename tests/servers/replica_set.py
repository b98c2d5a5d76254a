"""Three mongods of the tests' own, to be frozen, killed, stepped down and brought back."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pymongo.errors import AutoReconnect, PyMongoError

from outbox.embedded.mongo import REPLICA_SET, EmbeddedMongo
from tests.servers.ports import free_ports
from tests.waiting import wait_until

LOOK_SECONDS = 5.0
"""For a node's answer: a loaded machine takes more than one for a new connection, and a frozen node costs as much."""
TEST_COMMANDS = ("--setParameter", "enableTestCommands=1")  # fail points
SMALL_JOURNAL = ("--wiredTigerEngineConfigString", "log=(file_max=16MB,prealloc=false)")
"""Of the 300 MiB that each server would lay out at its start, most stay empty, and the tests' data may be in memory."""
SET_OF_ONE = (*TEST_COMMANDS, *SMALL_JOURNAL, "--oplogSize", "16384", "--journalCommitInterval", "20")
"""In a set of one a linearizable read waits for the journal's timer, by default 100 ms: half of the time that the tests
took. With 5 ms that timer alone took 3 % of a core, of each server, all the time. No session of tests fills half of the
oplog, which the doctor would tell of."""


class ReplicaSet:
    """`size` mongods with quick elections; with `with`, or start() and stop(). Nodes are told apart by their place.

    `parameters` are the server's. Test fail points can be set on every node. Data outlive kill() and go at stop().
    """

    def __init__(
        self, size: int = 3, *, oplog_mb: int = 64, election_ms: int = 1500, parameters: Mapping[str, int] | None = None
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="outbox-replica-set-")
        self._election_ms = election_ms
        arguments = [*TEST_COMMANDS, *SMALL_JOURNAL, "--oplogSize", str(oplog_mb)]
        for name, value in ({} if parameters is None else parameters).items():
            arguments += ["--setParameter", f"{name}={value}"]
        self.nodes = [
            EmbeddedMongo(Path(self._folder.name, str(index)), port=port, arguments=arguments)
            for index, port in enumerate(free_ports(size))
        ]

    @property
    def uri(self) -> str:
        return f"mongodb://{','.join(map(self.address, self.nodes))}/?replicaSet={REPLICA_SET}"

    def address(self, node: EmbeddedMongo) -> str:
        """Where clients and the other nodes find it."""
        return node.address

    def start(self) -> None:
        """Returns when there is a primary and every other node is a secondary that has all the data."""
        self.launch()
        members = [{"_id": index, "host": self.address(node)} for index, node in enumerate(self.nodes)]
        settings = {"electionTimeoutMillis": self._election_ms, "heartbeatIntervalMillis": 250}
        config = {"_id": REPLICA_SET, "members": members, "settings": settings}
        with self.nodes[0].connect() as client:
            client.admin.command("replSetInitiate", config)
        self.wait_until_healthy()

    def launch(self) -> None:
        """Starts the processes alone."""
        for node in self.nodes:
            node.launch()

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()
        self._folder.cleanup()

    def wait_until_healthy(self, cap_seconds: float = 120.0) -> None:
        """Waits until every node says the same: who is primary, since which term, and that all the others follow it."""
        wait_until(self._healthy, cap_seconds, "a healthy replica set")

    def _healthy(self) -> bool:
        for node in self.nodes:
            # A node that was frozen as primary of a young set may abort in its rollback; a supervisor would restart it.
            if node.exit_code is not None:
                node.kill()
                self.restart(node)
        views = set(map(_view, self.nodes))
        return len(views) == 1 and None not in views

    def primary(self, cap_seconds: float = 30.0) -> EmbeddedMongo:
        """The node that takes writes, once there is one."""
        return wait_until(lambda: self.primary_besides(None), cap_seconds, "a primary")

    def primary_besides(self, other: EmbeddedMongo | None) -> EmbeddedMongo | None:
        """The node that takes writes and is not `other`, if there is one now."""
        for node in self.nodes:
            if node is not other and _is_primary(node):
                return node
        return None

    def secondaries(self) -> list[EmbeddedMongo]:
        """All nodes but the primary, once there is one."""
        primary = self.primary()
        return [node for node in self.nodes if node is not primary]

    def step_down(self, seconds: int = 10) -> EmbeddedMongo:
        """The primary steps down and may not stand again for `seconds`. Returns the new one."""
        old = self.primary()
        with old.connect() as client:
            # Refused while no secondary has caught up, so it may take more than one try.
            wait_until(lambda: _steps_down(client, seconds), 30, "the primary to step down")
        return wait_until(lambda: self.primary_besides(old), 30, "another primary")

    def pause(self, node: EmbeddedMongo) -> None:
        """Freezes a node (SIGSTOP): its sockets stay open and answer nothing."""
        os.kill(node.pid, signal.SIGSTOP)

    def resume(self, node: EmbeddedMongo) -> None:
        os.kill(node.pid, signal.SIGCONT)

    def kill(self, node: EmbeddedMongo) -> None:
        node.kill()

    def restart(self, node: EmbeddedMongo) -> None:
        """Starts a killed node on its port with its data. Returns when it listens; see wait_until_healthy()."""
        node.launch()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _is_primary(node: EmbeddedMongo) -> bool:
    try:
        with node.connect(seconds=LOOK_SECONDS) as client:
            return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False


def _view(node: EmbeddedMongo) -> tuple[int, str] | None:
    """The term and the primary of a healthy set as this node sees it; None while it sees another.

    Its own newest write is of that term: an old primary is a secondary for a moment before it rolls back, and a new
    one is primary for a moment before it takes writes.
    """
    try:
        with node.connect(seconds=LOOK_SECONDS) as client:
            status: dict[str, Any] = client.admin.command("replSetGetStatus")
    except PyMongoError:
        return None
    states = {member["name"]: member["stateStr"] for member in status["members"]}
    if sorted(states.values()) != ["PRIMARY"] + ["SECONDARY"] * (len(states) - 1):
        return None
    if status["optimes"]["appliedOpTime"]["t"] != status["term"]:
        return None
    return status["term"], next(name for name, state in states.items() if state == "PRIMARY")


def _steps_down(client: Any, seconds: int) -> bool:
    try:
        client.admin.command({"replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": 5})
    except AutoReconnect:
        return True  # it closes its connections as it steps down
    except PyMongoError:
        return False
    return True

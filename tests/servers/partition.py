"""Three mongods with a network between them that can be cut, while clients reach them all. Linux only."""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial
from pathlib import Path

from outbox.embedded.mongo import EmbeddedMongo
from outbox.errors import EmbeddedUnavailable
from tests.servers.proxy import Proxy
from tests.servers.replica_set import ReplicaSet

FRESH_SECONDS = 0.05


class PartitionedSet(ReplicaSet):
    """A replica set whose nodes and clients all reach a node through its proxy in `networks`."""

    def __init__(self, size: int = 3, *, election_ms: int = 1500) -> None:
        # A client whose connection was cut leaves its transaction open, and what it has written locked, for so long.
        super().__init__(size, election_ms=election_ms, parameters={"transactionLifetimeLimitSeconds": 3})
        self._isolated: EmbeddedMongo | None = None
        self._owners: tuple[float, dict[tuple[int, int], EmbeddedMongo | None]] = 0.0, {}
        self._stack = contextlib.ExitStack()
        self.networks = {
            node: self._stack.enter_context(Proxy(0, refuses=partial(self._is_apart, node))) for node in self.nodes
        }

    def address(self, node: EmbeddedMongo) -> str:
        return self.networks[node].address

    def launch(self) -> None:
        super().launch()
        for node in self.nodes:
            self.networks[node].target = node.port

    def stop(self) -> None:
        super().stop()
        self._stack.close()

    def isolate(self, node: EmbeddedMongo) -> None:
        """Cuts it off from the other nodes, both ways; clients reach it as before. Until heal()."""
        self._isolated = node
        for network in self.networks.values():
            network.sift()

    def heal(self) -> None:
        self._isolated = None

    def _is_apart(self, target: EmbeddedMongo, port: int) -> bool:
        isolated = self._isolated
        if isolated is None:
            return False
        looked, owners = self._owners
        ends = port, self.networks[target].port
        if ends not in owners or time.monotonic() - looked > FRESH_SECONDS:
            looked = time.monotonic()
            owners = _owners(self.nodes)
            self._owners = looked, owners  # at once: each proxy has a thread
        owner = owners.get(ends)
        return owner is not None and (owner is isolated) != (target is isolated)


def _owners(nodes: list[EmbeddedMongo]) -> dict[tuple[int, int], EmbeddedMongo | None]:
    """Which node has each connection on this machine, by its near and its far port; None: another process has it."""
    # The connections first: one made while the processes are looked through must not count as another's.
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets: dict[str, EmbeddedMongo] = {}
    for node in nodes:
        with contextlib.suppress(EmbeddedUnavailable, FileNotFoundError):  # it does not run
            folder = f"/proc/{node.pid}/fd"
            for descriptor in os.listdir(folder):  # noqa: PTH208  # pathlib takes ten times as long
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    sockets[os.readlink(f"{folder}/{descriptor}")] = node  # noqa: PTH115  # as above
    return {
        (_port(near), _port(far)): sockets.get(f"socket:[{line[9]}]") for line in lines for near, far in [line[1:3]]
    }


def _port(address: str) -> int:
    return int(address.partition(":")[2], 16)

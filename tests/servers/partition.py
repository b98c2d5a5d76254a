"""Three mongods with a network between them that can be cut, while clients reach them all. Linux only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from outbox.embedded import EmbeddedMongo
from outbox.errors import EmbeddedUnavailable
from tests.servers.proxy import Proxy
from tests.servers.replica_set import ReplicaSet

_LOOPBACK = "0100007F"


class PartitionedSet(ReplicaSet):
    """A replica set whose nodes and clients all reach a node through its proxy in `networks`."""

    def __init__(self, size: int = 3, *, election_ms: int = 1500) -> None:
        super().__init__(size, election_ms=election_ms)
        self._isolated: EmbeddedMongo | None = None
        self._stack = contextlib.ExitStack()
        self.networks: dict[EmbeddedMongo, Proxy] = {}
        for node in self.nodes:
            refuses = self._between_two_sides(node)
            self.networks[node] = self._stack.enter_context(Proxy(0, refuses=refuses))

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

    def _between_two_sides(self, target: EmbeddedMongo) -> Callable[[int], bool]:
        def refuses(port: int) -> bool:
            isolated = self._isolated
            if isolated is None:
                return False
            others = [node for node in self.nodes if node is not isolated]
            return any(_has_end(node, port) for node in (others if target is isolated else [isolated]))

        return refuses


def _has_end(node: EmbeddedMongo, port: int) -> bool:
    """Whether this port of 127.0.0.1 is the near end of one of the node's connections."""
    sockets = _sockets(port)
    with contextlib.suppress(EmbeddedUnavailable, FileNotFoundError):  # it does not run
        for descriptor in Path(f"/proc/{node.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                if str(descriptor.readlink()) in sockets:
                    return True
    return False


def _sockets(port: int) -> set[str]:
    end = f"{_LOOPBACK}:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {f"socket:[{fields[9]}]" for fields in map(str.split, lines) if fields[1] == end}

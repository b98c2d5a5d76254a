"""Ports for servers that stop and come back on the same one, while other processes run tests as well. Unix only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# Below those that systems give to clients: while a server is down, no connection of anybody's gets its port.
LOWEST, HIGHEST = 15_000, 32_000

_ours: set[int] = set()
_locks = Path(tempfile.gettempdir(), f"outbox-test-ports-{os.getuid()}").open("a+b")  # noqa: SIM115  # until we end


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 on which nobody listens, and which no test is given again while this process lives."""
    return [free_port() for _ in range(count)]


def free_port() -> int:
    """One of them."""
    while True:
        port = random.SystemRandom().randint(LOWEST, HIGHEST)  # the plain one's seed is hypothesis's
        if port not in _ours and _is_free(port):
            _ours.add(port)
            return port


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as probe:
        # A byte for each port: such a lock is the process's, and goes with it however it ends.
        fcntl.lockf(_locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        probe.bind(("127.0.0.1", port))
        return True
    return False

"""Ports for servers that are stopped and come back on the same one, while other processes run tests as well."""

from __future__ import annotations

import contextlib
import random
import socket

# Below those that systems give to clients: while a server is down, no connection of anybody's gets its port.
LOWEST, HIGHEST = 15_000, 32_000


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 on which nobody listens, at random: another process draws others."""
    with contextlib.ExitStack() as held:
        return [_held(held.enter_context(socket.socket())) for _ in range(count)]


def free_port() -> int:
    """One of them."""
    [port] = free_ports(1)
    return port


def _held(probe: socket.socket) -> int:
    while True:
        port = random.SystemRandom().randint(LOWEST, HIGHEST)  # random's own seed is hypothesis's
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port

"""Listens for clients of whom none stays that answers no more."""

from __future__ import annotations

import socket

SILENT_SECONDS = 60
"""So long a client may leave what is sent to it unanswered, by TCP: it was unplugged, or takes nothing."""


def listening(host: str, port: int) -> socket.socket:
    """Listens there; what is accepted has the socket's options, too. Raises OSError."""
    made = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # elsewhere the system's own time counts
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_SECONDS * 1000)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return made

"""Keeps what MongoDB's hosts answered: to say more than "no server found", and whether waiting may help."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Any

from pymongo.errors import ProtocolError
from pymongo.hello import Hello
from pymongo.monitoring import (
    ServerHeartbeatFailedEvent,
    ServerHeartbeatListener,
    ServerHeartbeatStartedEvent,
    ServerHeartbeatSucceededEvent,
)

_ASK_SECONDS = 2.0
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"})

Answer = Hello[Any] | Exception


class Answers(ServerHeartbeatListener):
    """Keeps the newest answer of each host, or the error that came instead. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[tuple[str, int], Answer] = {}

    def started(self, event: ServerHeartbeatStartedEvent) -> None:
        """Ignores that the driver asks."""

    def succeeded(self, event: ServerHeartbeatSucceededEvent) -> None:
        """Keeps what the host says of itself."""
        self._keep(event.connection_id, event.reply)

    def failed(self, event: ServerHeartbeatFailedEvent) -> None:
        """Keeps the error."""
        self._keep(event.connection_id, event.reply)

    def _keep(self, address: tuple[str, int | None], answer: Answer) -> None:
        with self._lock:
            self._newest[address[0], address[1] or 0] = answer

    def faults(self, replica_set: str | None, context: ssl.SSLContext | None) -> list[str]:
        """Says of each host why it cannot be used with these settings; empty when one of them may answer later.

        context: what a host's certificate is checked with; None without TLS. Asks the hosts that failed once more.
        """
        with self._lock:
            newest = dict(self._newest)
        faults = []
        for (host, port), answer in newest.items():
            if isinstance(answer, Exception):
                fault = _of_failure(host, port, answer, context)
            else:
                fault = _of_name(answer.replica_set_name, replica_set)
            if fault is None:
                return []
            faults.append(f"{host}:{port} {fault}")
        return faults


def _of_name(name: str | None, wanted: str | None) -> str | None:
    if wanted is None or name in (None, wanted):
        return None
    return f"belongs to the replica set {name!r}, and replicaSet= in the address names another"


def _of_failure(host: str, port: int, error: Exception, context: ssl.SSLContext | None) -> str | None:
    if isinstance(error, ProtocolError):
        return "is no MongoDB: it answers in another protocol"
    if context is None or not port:
        return None
    # The driver's error does not have its cause, so the same is tried once more.
    try:
        with (
            contextlib.closing(socket.create_connection((host, port), _ASK_SECONDS)) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError as refused:
        return f"has a certificate that is not trusted ({refused.verify_message}): give who has signed it as tlsCAFile"
    except ssl.SSLError as refused:
        return "does not speak TLS" if refused.reason in _NO_TLS else None
    except OSError:  # it is away, which passes
        return None

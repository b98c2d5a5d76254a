"""Serves a gateway by uvicorn, until the process is told to end."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from outbox.errors import InvalidArgument
from outbox.gateway.limits import Limits
from outbox.serving import listening as sockets
from outbox.serving.loopback import is_loopback
from outbox.serving.prompt import prompt

END_SECONDS = 10
"""So long connections that do not end are waited for."""
PING_SECONDS = 15.0
"""So often a WebSocket is asked whether its client is still there."""
_BACKLOG = 2048
_OWN_NAMES = ["localhost", "127.0.0.1", "[::1]", "::1"]


def check_bind(host: str, *, has_tokens: bool) -> None:
    """Raises InvalidArgument for an address that others can connect to, while there are no tokens."""
    if not has_tokens and not is_loopback(host):
        raise InvalidArgument(
            f"--host {host}: others could read and post there, for there are no tokens. Make one with "
            "`outbox token add NAME --tokens FILE` and give --tokens FILE, or keep to 127.0.0.1"
        )


def listening(host: str, port: int) -> socket.socket:
    """Listens there. Raises InvalidArgument."""
    try:
        return sockets.listening(host, port)
    except OSError as error:
        raise InvalidArgument(f"--host {host} --port {port}: {error.strerror or error}") from error


@contextlib.contextmanager
def listening_at(path: Path) -> Iterator[socket.socket]:
    """Listens on a Unix socket, which its owner and group may connect to, and removes it. Raises InvalidArgument."""
    made = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o117)
    try:
        if path.is_socket() and not _is_served(path):  # of a process that was killed
            path.unlink()
        made.bind(str(path))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise InvalidArgument(f"--socket {path}: {error.strerror or error}") from error
    finally:
        os.umask(mask)
    with made:
        try:
            yield made
        finally:
            path.unlink(missing_ok=True)


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


class _Sockets(WebSocketsSansIOProtocol):
    """Is uvicorn's protocol, which would log a handshake that is refused as one that the application has forgotten."""

    async def send(self, message: Any) -> None:
        await super().send(message)
        self.handshake_complete |= self.close_sent


class GatewayServer(uvicorn.Server):
    """Is uvicorn's server, which tells clients to come back before it waits for their connections."""

    def __init__(self, app: Starlette, limits: Limits, *, only_own_names: bool) -> None:
        """only_own_names: a page whose name leads here is refused, for a browser sends it anywhere."""
        served: Any = TrustedHostMiddleware(app, allowed_hosts=_OWN_NAMES) if only_own_names else app
        config = uvicorn.Config(
            served, log_config=None, access_log=False, lifespan="on", server_header=False, proxy_headers=False,
            http=prompt(AutoHTTPProtocol, limits.send_seconds),
            ws=_Sockets, ws_max_size=limits.request_bytes, ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS, ws_per_message_deflate=False, timeout_graceful_shutdown=END_SECONDS,
        )  # fmt: skip
        super().__init__(config)
        self._leave: Callable[[], None] = app.state.gateway.leave

    def leave(self) -> None:
        """Ends it, as SIGTERM does. Thread-safe."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._leave()
        await super().shutdown(sockets)

"""Serves what `relay run --listen` shows: metrics, probes, status and the page."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import pymongo
import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pymongo.errors import PyMongoError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from outbox.errors import OutboxError
from outbox.mongo.server_errors import short_message
from outbox.serving.listening import listening
from outbox.serving.prompt import prompt
from relay.errors import InvalidSettings
from relay.monitoring.metrics import RelayCollector
from relay.monitoring.page.guard import Guard
from relay.monitoring.page.routes import Page
from relay.monitoring.page.watch import Watch
from relay.monitoring.probes import Liveness, Probed, unready
from relay.monitoring.status import relay_status

logger = logging.getLogger("relay")

_STATUS_SECONDS = 4.0
_CONNECTIONS = 64
_END_SECONDS = 2
_SEND_SECONDS = 60.0
"""So long a client may take nothing of what is sent to it: who watches the page takes a place of others."""
_SENT_BYTES = 64 << 10
"""What waits for a client at most; the system would keep some MiB, with which one that reads nothing looks well."""


@dataclass(frozen=True)
class Shown:
    """Holds what is shown of a process. unreachable: see relay.monitoring.probes.unready."""

    relays: Sequence[Any]
    liveness: Liveness
    unreachable: Callable[[float], str]


def application(shown: Shown, watch: Watch, guard: Guard) -> Starlette:
    """Makes the ASGI application. Nothing secret is in what it answers. watch: to be entered while it is served."""
    registry = CollectorRegistry()
    registry.register(RelayCollector(*shown.relays))

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(await asyncio.to_thread(encode, registry), media_type=content_type)

    async def healthz(_: Request) -> Response:  # on the loop's thread: no other request can hold it up
        return _told([why] if (why := shown.liveness.dead()) else [], "alive")

    async def readyz(_: Request) -> Response:
        return _told(await asyncio.to_thread(unready, shown.relays, shown.unreachable), "ready")

    async def status(_: Request) -> Response:
        try:
            lines = await asyncio.to_thread(_lines, shown.relays)
        except (PyMongoError, OutboxError) as error:
            return Response(json.dumps({"error": short_message(error)}), 503, media_type="application/json")
        return Response("".join(lines), media_type="application/json" if len(lines) == 1 else "application/x-ndjson")

    endpoints = {"/metrics": metrics, "/healthz": healthz, "/readyz": readyz, "/status": status}
    told = [Route(path, endpoint) for path, endpoint in endpoints.items()]
    return Starlette(routes=[*told, *Page(watch, guard).routes()])


def _lines(relays: Sequence[Probed]) -> list[str]:
    with pymongo.timeout(_STATUS_SECONDS):
        return [json.dumps(relay_status(each.outbox, each.name).as_dict()) + "\n" for each in relays]


def _told(reasons: Sequence[str], otherwise: str) -> Response:
    return PlainTextResponse("\n".join(reasons or [otherwise]) + "\n", 503 if reasons else 200)


@contextmanager
def served(shown: Shown, host: str, port: int, page_token: str | None) -> Iterator[int]:
    """Serves all of it there inside the `with`, and gives the port. Raises InvalidSettings when it cannot listen."""
    watch = Watch(shown.relays, shown.liveness, shown.unreachable)
    with Listener(host, port, application(shown, watch, Guard(host, page_token))) as listener, watch:
        yield listener.port  # the watch ends first, and the streams with it


class Listener:
    """Serves an application on a thread of its own, from the `with` on until its end.

    Raises InvalidSettings when it cannot listen there.
    """

    def __init__(self, host: str, port: int, app: Starlette) -> None:
        try:
            self._socket = listening(host, port)
        except OSError as error:
            raise InvalidSettings(f"--listen {host}:{port}: {error.strerror or error}") from error
        # What a viewer that reads nothing is sent fills this first, a look at a time.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_BYTES)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app, log_config=None, log_level="warning", access_log=False, lifespan="off", server_header=False,
            limit_concurrency=_CONNECTIONS, timeout_graceful_shutdown=_END_SECONDS,
            # Else it loads what happens to be installed: some MiB, for nothing.
            loop="asyncio", http=prompt(H11Protocol, _SEND_SECONDS), ws="none",
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="relay-http", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        logger.info("listening on port %d: the page, /metrics, /healthz, /readyz, /status", self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(2 * _END_SECONDS)
        self._socket.close()

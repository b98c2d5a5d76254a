"""Serves what `relay run --listen` shows: metrics, probes, status and the page."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymongo
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pymongo.errors import PyMongoError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from outbox.errors import OutboxError
from outbox.mongo.server_errors import short_message
from relay.monitoring.listener import Listener
from relay.monitoring.metrics import RelayCollector
from relay.monitoring.page.guard import Guard
from relay.monitoring.page.routes import Page
from relay.monitoring.page.watch import Watch
from relay.monitoring.probes import Liveness, Probed, unready
from relay.monitoring.status import relay_status

_STATUS_SECONDS = 4.0
TOGETHER_SECONDS = 1.0
"""So long the numbers of a scrape are given to others, too: many who ask cost no more than one."""


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
    scrapes = Scrapes(registry)

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(await scrapes.text(encode, content_type), media_type=content_type)

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


class Scrapes:
    """Gives the numbers as text; those of the same second to all who ask. For one event loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._lock = asyncio.Lock()
        self._newest: dict[str, tuple[float, bytes]] = {}

    async def text(self, encode: Callable[[CollectorRegistry], bytes], content_type: str) -> bytes:
        """Gathers them, unless that was done within the last second for the same kind of text."""
        async with self._lock:
            at, text = self._newest.get(content_type, (float("-inf"), b""))
            if time.monotonic() - at >= TOGETHER_SECONDS:
                text = await asyncio.to_thread(encode, self._registry)
                self._newest = {content_type: (time.monotonic(), text)}
            return text


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

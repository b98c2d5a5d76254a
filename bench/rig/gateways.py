"""Serves an outbox by the gateway, and the same bytes by a bare starlette; each for another process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from pymongo import MongoClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bench.rig.messages import TYPES
from outbox import Outbox
from outbox.gateway import Limits, application
from outbox.gateway.serving import GatewayServer, listening

LIMITS = Limits(connections=2000, connections_of_token=2000, requests_a_second=1_000_000)
PORTION_BYTES = 256 << 10
"""What is written at once, as the gateway does."""
_JSON = "application/json"


def gateway(stop: threading.Event, mongo: str, database: str, port: int, sequence: bool) -> None:
    """Serves an outbox until `stop`."""
    with (
        MongoClient[dict[str, Any]](mongo) as client,
        Outbox(client[database], messages=list(TYPES), sequence=sequence) as outbox,
    ):
        _serve(GatewayServer(application(outbox, limits=LIMITS), LIMITS, only_own_names=True), port, stop)


def starlette(stop: threading.Event, port: int, record: bytes, answer: bytes) -> None:
    """Serves a hub of its own until `stop`: what is posted it answers with `answer`, and gives `record` to all."""
    app = Starlette(routes=_Hub(record, answer).routes)
    _serve(uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)), port, stop)


def _serve(server: uvicorn.Server, port: int, stop: threading.Event) -> None:
    with listening("127.0.0.1", port) as place:
        serving = threading.Thread(target=server.run, args=([place],), daemon=True)
        serving.start()
        stop.wait()
        server.should_exit = True
        serving.join(20)


class _Hub:
    """Its clients have a queue each: nothing is stored, numbered, bounded or checked."""

    def __init__(self, record: bytes, answer: bytes) -> None:
        self._record = record
        self._answer = answer
        self._queues: set[asyncio.Queue[int]] = set()

    @property
    def routes(self) -> list[Route]:
        """The calls of the gateway that are measured."""
        path = "/v1/consumers/{consumer}"
        return [
            Route("/readyz", self.ready),
            Route(path, self.ready, methods=["PUT"]),
            Route(f"{path}/ack", self.ready, methods=["POST"]),
            Route("/v1/messages", self.post, methods=["POST"]),
            Route("/go", self.go, methods=["POST"]),
            Route("/v1/live/stream", self.stream),
            Route(f"{path}/stream", self.stream),
            Route(f"{path}/records", self.records),
        ]

    async def ready(self, request: Request) -> Response:
        """Does nothing."""
        return Response(self._answer, media_type=_JSON)

    async def post(self, request: Request) -> Response:
        """Gives all a record."""
        await request.body()
        self._tell(1)
        return Response(self._answer, 201, media_type=_JSON)

    async def go(self, request: Request) -> Response:
        """Gives all so many."""
        self._tell(int(request.query_params["count"]))
        return Response(status_code=204)

    def _tell(self, count: int) -> None:
        for queue in self._queues:
            queue.put_nowait(count)

    async def stream(self, request: Request) -> Response:
        """Pushes by Server-Sent Events."""
        queue: asyncio.Queue[int] = asyncio.Queue()
        self._queues.add(queue)
        return StreamingResponse(self._events(queue), media_type="text/event-stream")

    async def _events(self, queue: asyncio.Queue[int]) -> AsyncIterator[bytes]:
        yield b"retry: 500\n\n"
        seq = 0
        most = max(1, PORTION_BYTES // len(self._record))
        while True:
            last = seq + await queue.get()
            while seq < last:
                end = min(last, seq + most)
                yield b"".join(b"id: %d\ndata: %b\n\n" % (each, self._record) for each in range(seq + 1, end + 1))
                seq = end

    async def records(self, request: Request) -> Response:
        """Answers when something is posted."""
        queue: asyncio.Queue[int] = asyncio.Queue()
        self._queues.add(queue)
        try:
            await queue.get()
        finally:
            self._queues.discard(queue)
        seq = int(request.query_params.get("after", "0")) + 1
        body = b'{"records":[%b],"next":%d,"head":%d,"oldest":1}' % (self._record, seq, seq)
        return Response(body, media_type=_JSON)

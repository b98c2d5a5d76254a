"""Listens on a thread of its own, and hands each request to an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from typing import Self

from outbox.serving.listening import listening
from relay.errors import InvalidSettings
from relay.monitoring.connection import HttpConnection, Serve

logger = logging.getLogger("relay")

_CONNECTIONS = 64
_END_SECONDS = 2
_SENT_BYTES = 64 << 10
"""What waits for a client at most; the system would keep some MiB, with which one that reads nothing looks well."""


class Listener:
    """Serves an application from the `with` on until its end; requests over 64 connections get a 503.

    Raises InvalidSettings when it cannot listen there.
    """

    def __init__(self, host: str, port: int, app: Serve) -> None:
        try:
            self._socket = listening(host, port)
        except OSError as error:
            raise InvalidSettings(f"--listen {host}:{port}: {error.strerror or error}") from error
        # What a viewer that reads nothing is sent fills this first, a look at a time.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_BYTES)
        self.port: int = self._socket.getsockname()[1]
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._connections: dict[HttpConnection, asyncio.Task[None]] = {}
        self._thread = threading.Thread(target=self._run, name="relay-http", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        logger.info("listening on port %d: the page, /metrics, /healthz, /readyz, /status", self.port)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended by itself, and said why
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(2 * _END_SECONDS)
        self._socket.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._socket)
        await self._end.wait()
        server.close()
        tasks = list(self._connections.values())
        for connection, task in self._connections.items():
            if not connection.is_answering:
                task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_END_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = HttpConnection(reader, writer, self._app, lambda: len(self._connections) > _CONNECTIONS)
        task = asyncio.current_task()
        assert task is not None
        self._connections[connection] = task
        try:
            await connection.serve()
        finally:
            del self._connections[connection]
            writer.close()

"""Clients of a gateway that come again whenever they lose it: live ones by Server-Sent Events, one by WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

AGAIN_SECONDS = 0.2


class LiveClient:
    """Follows the live stream as a browser does: after a lost connection behind the last id."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.last: int | None = None
        """The newest seq that it has received."""
        self.received = 0
        self.missed = 0
        """The gaps between what it has received."""
        self.told = 0
        """How much it was told that it has skipped."""
        self.is_in_order = True

    async def follow(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._stream()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _stream(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            last = "" if self.last is None else f"Last-Event-ID: {self.last}\r\n"
            writer.write(f"GET /v1/live/stream HTTP/1.1\r\nHost: localhost\r\n{last}\r\n".encode())
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    self._take(int(line[4:]))
                elif line.startswith(b'data: {"skipped"'):
                    self.told += json.loads(line[6:])["skipped"]
        finally:
            writer.close()

    def _take(self, seq: int) -> None:
        if self.last is not None:
            self.is_in_order &= seq > self.last
            self.missed += seq - self.last - 1
        self.last = seq
        self.received += 1


@contextlib.contextmanager
def live_clients(port: int, count: int) -> Iterator[Sequence[LiveClient]]:
    """Follows with so many at a time inside the `with`, on one thread."""
    clients = [LiveClient(port) for _ in range(count)]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    following = asyncio.run_coroutine_threadsafe(_all(clients), loop)
    try:
        yield clients
    finally:
        following.cancel()
        asyncio.run_coroutine_threadsafe(_ended(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _all(clients: Sequence[LiveClient]) -> None:
    await asyncio.gather(*(client.follow() for client in clients))


async def _ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def consume_by_websocket(
    port: int, name: str, handle: Callable[[dict[str, Any]], object], stop: threading.Event
) -> None:
    """Handles the records of a registered consumer by WebSocket, 100 in flight, until `stop` is set."""
    while not stop.is_set():
        with (
            contextlib.suppress(OSError, TimeoutError, WebSocketException),
            connect(f"ws://127.0.0.1:{port}/v1/consumers/{name}/ws", open_timeout=5) as socket,
        ):
            socket.send('{"credits": 100}')
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    said = json.loads(socket.recv(0.3))
                    if "records" not in said:  # its last message
                        break
                    for record in said["records"]:
                        handle(record)
                    socket.send(json.dumps({"ack": said["next"]}))
        stop.wait(AGAIN_SECONDS)

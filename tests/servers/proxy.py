"""A TCP proxy of the tests' own: the network between two processes, to be cut, held and slowed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self, TypeVar

T = TypeVar("T")

CHUNK = 64 << 10


class Traffic:
    """What passes over one connection. The answers may be changed in passing, by a class of this kind."""

    def request(self, chunk: bytes) -> bytes:
        """What is sent on for a chunk from the client."""
        return chunk

    def answer(self, chunk: bytes) -> bytes:
        """What is sent on for a chunk from the server."""
        return chunk


@dataclass(eq=False, frozen=True, slots=True)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    def reset(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


class Proxy:
    """Listens on a free port of 127.0.0.1, and passes everything on to the port `target` there.

    Use it with `with`; its methods may be called from any thread. A fault stays until restore(). To lose what is on the
    wire, hold() it and then cut().

    refuses: told the port at the client's end, whether this connection is cut off; asked when one is made and by cut().
    traffic: makes what watches over a new connection.
    """

    def __init__(
        self,
        target: int,
        *,
        refuses: Callable[[int], bool] = lambda _: False,
        traffic: Callable[[], Traffic] = Traffic,
    ) -> None:
        self.target = target
        self.port = 0
        self.traffic = traffic
        self._refuses = refuses
        self._is_cut = False
        self._delay_seconds = 0.0
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Resets every connection, and those to come."""
        self._is_cut = True
        self.sift()

    def sift(self) -> None:
        """Resets the connections that `refuses` refuses by now."""
        self._call(self._sift())

    def hold(self, *, requests: bool = True, answers: bool = True) -> None:
        """A black hole: connections stay open, and can be made, but what is sent does not arrive until restore()."""
        self._call(self._open(requests=not requests, answers=not answers))

    def delay(self, seconds: float) -> None:
        """Whatever passes takes that much longer, each way."""
        self._delay_seconds = seconds

    def restore(self) -> None:
        """All is well again; what was held goes on."""
        self._is_cut = False
        self._delay_seconds = 0.0
        self._call(self._open(requests=True, answers=True))

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    # ---- on the loop's own thread

    async def _listen(self) -> None:
        self._requests, self._answers = asyncio.Event(), asyncio.Event()
        await self._open(requests=True, answers=True)
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        self._is_cut = True
        await self._open(requests=True, answers=True)
        await self._sift()
        ending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.gather(*ending, return_exceptions=True)

    async def _open(self, *, requests: bool, answers: bool) -> None:
        for gate, is_open in ((self._requests, requests), (self._answers, answers)):
            if is_open:
                gate.set()
            else:
                gate.clear()

    async def _sift(self) -> None:
        for connection in list(self._connections):
            if self._is_refused(connection.client):
                connection.reset()

    def _is_refused(self, client: asyncio.StreamWriter) -> bool:
        peer = client.get_extra_info("peername")
        return self._is_cut or peer is None or self._refuses(peer[1])

    async def _pass(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self._is_refused(to_client):
            to_client.transport.abort()
            return
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            to_client.transport.abort()
            return
        connection, traffic = _Connection(to_client, to_server), self.traffic()
        self._connections.add(connection)
        if self._is_refused(to_client):  # since it was asked for
            connection.reset()
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(from_client, to_server, self._requests, traffic.request))
                both.create_task(self._pump(from_server, to_client, self._answers, traffic.answer))
        except* (OSError, EOFError):  # one side has ended: so does the other
            pass
        finally:
            self._connections.discard(connection)
            connection.reset()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        gate: asyncio.Event,
        passing: Callable[[bytes], bytes],
    ) -> None:
        while chunk := await source.read(CHUNK):
            if self._delay_seconds:
                await asyncio.sleep(self._delay_seconds)
            await gate.wait()
            sink.write(passing(chunk))
            await sink.drain()
        raise EOFError

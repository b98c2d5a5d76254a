"""Measures the gateway beside bare starlette, which sends the same bytes and does nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx2

from bench.rig import gateways
from bench.rig.benchmark import Figures, InTurns
from bench.rig.messages import document
from bench.rig.process import Background, background
from bench.rig.stage import Stage
from outbox.messages.json_value import json_value
from tests.servers.ports import free_port
from tests.waiting import wait_until

SUBSCRIBERS = (1, 10, 100)
_MOST_RECORDS = 5000
"""Of a fan-out: the gateway keeps 10,000 for who is slower."""
_POSTERS = 8
_CONSUMER = "/v1/consumers/bench"
_ANSWER = b'{"id":"65a000000000000000000001"}'


@contextlib.contextmanager
def _ready(port: int) -> Iterator[httpx2.Client]:
    """Waits until a server answers there, and gives a client of it."""
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

        def answers() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                return client.get("/readyz").is_success
            return False

        wait_until(answers, 60, "the server")
        yield client


class _OnStage(InTurns):
    """What each of these has in common: a message, and both servers."""

    bare_is = "starlette, which sends the same bytes"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._data = json_value(document(stage.load.message(1))["data"])

    @contextlib.contextmanager
    def _starlette(self) -> Iterator[tuple[int, Background]]:
        head = b'{"seq":1,"id":"65a000000000000000000001","created":"2025-01-02T03:04:05.678Z","type":"order.placed"'
        record = head + b',"key":"1","headers":{},"data":%b}' % self._data
        port = free_port()
        with background(gateways.starlette, port, record, _ANSWER) as server:
            yield port, server


class FanOut(_OnStage):
    """So many live subscribers by Server-Sent Events, each of whom gets every record; one process reads for all."""

    def __init__(self, stage: Stage, subscribers: int) -> None:
        super().__init__(stage)
        self._subscribers = subscribers
        self._count = min(_MOST_RECORDS, stage.load.part(10))

    def ours(self) -> Figures:
        with self._stage.outbox(self._count) as outbox:
            port, name = free_port(), outbox.collections.database.name
            with background(gateways.gateway, self._stage.mongo, name, port, False) as server, _ready(port):
                return self._timed(port, server, outbox.sequence)

    def bare(self) -> Figures:
        with self._starlette() as (port, server), _ready(port) as client:
            return self._timed(port, server, lambda: client.post("/go", params={"count": self._count}))

    def _timed(self, port: int, server: Background, go: Callable[[], object]) -> Figures:
        begun = threading.Event()

        async def all_of_them() -> float:
            streams = [await _opened(port) for _ in range(self._subscribers)]
            begun.set()
            await asyncio.gather(*(_read_to(reader, b"id: %d\n" % self._count) for reader, _ in streams))
            return time.perf_counter()

        with ThreadPoolExecutor(1) as reading:
            done = reading.submit(asyncio.run, all_of_them())
            begun.wait(60)
            started = time.perf_counter()
            go()
            took = done.result() - started
        return {"records/s": self._subscribers * self._count / took, "server's resident MiB": server.peak_mib()}


async def _opened(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Opens a live stream. A writer that nobody keeps closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/live/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"retry: 500\n\n")
    return reader, writer


async def _read_to(reader: asyncio.StreamReader, mark: bytes) -> None:
    tail = b""
    while mark not in tail:
        if not (came := await reader.read(1 << 18)):
            raise RuntimeError(f"the stream has ended: {tail!r}")
        tail = tail[-200:] + came


class Deliver(_OnStage):
    """From a post to the registered client that it is pushed to, and to one that waits in a poll, in turn."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._count = min(200, max(5, stage.load.part(100)))

    def ours(self) -> Figures:
        with self._stage.outbox() as outbox:
            port, name = free_port(), outbox.collections.database.name
            with background(gateways.gateway, self._stage.mongo, name, port, True), _ready(port) as client:
                return self._timed(client)

    def bare(self) -> Figures:
        with self._starlette() as (port, _), _ready(port) as client:
            return self._timed(client)

    def _timed(self, client: httpx2.Client) -> Figures:
        client.put(_CONSUMER, json={}).raise_for_status()
        body = b'{"type":"order.placed","data":%b}' % self._data
        sent: list[float] = []

        def post() -> None:
            sent.append(time.perf_counter())
            client.post("/v1/messages", content=body, headers={"Content-Type": "application/json"}).raise_for_status()

        pushed = self._pushed(client, post, sent)
        polled = self._polled(client, post, sent)
        return {**_figures("pushed", pushed), **_figures("polled", polled)}

    def _pushed(self, client: httpx2.Client, post: Callable[[], None], sent: list[float]) -> list[float]:
        took: list[float] = []
        with client.stream("GET", f"{_CONSUMER}/stream") as response:
            lines = response.iter_lines()
            next(lines)
            for _ in range(self._count):
                post()
                next(line for line in lines if line.startswith("id:"))
                took.append(time.perf_counter() - sent[-1])
        return took

    def _polled(self, client: httpx2.Client, post: Callable[[], None], sent: list[float]) -> list[float]:
        took: list[float] = []
        after = self._count
        for _ in range(self._count):
            posting = threading.Timer(0.02, post)  # when the poll waits
            posting.start()
            after = client.get(f"{_CONSUMER}/records", params={"after": after, "wait": 30}).json()["next"]
            took.append(time.perf_counter() - sent[-1])
            posting.join()
        return took


def _figures(what: str, seconds: Sequence[float]) -> Figures:
    cuts = statistics.quantiles([1000 * each for each in seconds], n=100)
    return {f"post → {what} p50 ms": cuts[49], f"post → {what} p99 ms": cuts[98]}


class Post(_OnStage):
    """Messages posted by eight clients, one after the other each."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._count = min(2000, max(_POSTERS, stage.load.part(20)))

    def ours(self) -> Figures:
        with self._stage.outbox() as outbox:
            port, name = free_port(), outbox.collections.database.name
            with background(gateways.gateway, self._stage.mongo, name, port, True), _ready(port):
                return self._timed(port)

    def bare(self) -> Figures:
        with self._starlette() as (port, _), _ready(port):
            return self._timed(port)

    def _timed(self, port: int) -> Figures:
        body = json.dumps({"type": "order.placed", "data": json.loads(self._data)}).encode()
        each = self._count // _POSTERS

        def post() -> None:
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                for _ in range(each):
                    client.post(
                        "/v1/messages", content=body, headers={"Content-Type": "application/json"}
                    ).raise_for_status()

        threads = [threading.Thread(target=post) for _ in range(_POSTERS)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"posts/s": each * _POSTERS / (time.perf_counter() - started)}

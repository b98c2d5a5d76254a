"""What listens for probes answers them, whoever else is connected."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from http.client import HTTPConnection
from urllib.request import urlopen

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from relay.monitoring import connection
from relay.monitoring.listener import Listener
from relay.monitoring.page import watch as watching
from relay.monitoring.page.guard import Guard
from relay.monitoring.page.routes import Page
from relay.monitoring.page.watch import Watch
from relay.monitoring.probes import Liveness
from tests.waiting import wait_until


async def alive(_: Request) -> Response:
    return PlainTextResponse("alive")


def code(port: int) -> int:
    asked = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        asked.request("GET", "/healthz")
        return asked.getresponse().status
    finally:
        asked.close()


def test_connections_that_send_nothing_do_not_hold_up_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an orchestrator would start anew a relay that is well."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.5)
    with Listener("127.0.0.1", 0, Starlette(routes=[Route("/healthz", alive)])) as listening, ExitStack() as idle:
        wait_until(lambda: code(listening.port) == 200, 30, "it to listen")
        for _ in range(70):
            idle.enter_context(socket.create_connection(("127.0.0.1", listening.port), 10))
        assert code(listening.port) == 503

        wait_until(lambda: code(listening.port) == 200, 30, "them to be let go")


def test_viewers_that_never_read_hold_up_nobody_and_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCHED_SECONDS", 0.02)
    monkeypatch.setattr(connection, "SEND_SECONDS", 0.5)
    watch = Watch([], Liveness([]), lambda _: "x" * 100_000)
    app = Starlette(routes=[Route("/healthz", alive), *Page(watch, Guard("127.0.0.1", None)).routes()])
    with Listener("127.0.0.1", 0, app) as listening, watch, ExitStack() as silent:
        wait_until(lambda: code(listening.port) == 200, 30, "it to listen")
        for _ in range(watching.MOST_VIEWERS):
            viewer = silent.enter_context(socket.create_connection(("127.0.0.1", listening.port), 10))
            viewer.sendall(b"GET /page/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        wait_until(lambda: len(watch._viewers) == watching.MOST_VIEWERS, 30, "them to watch")

        with urlopen(f"http://127.0.0.1:{listening.port}/page/events", timeout=10) as another:
            assert (another.readline(), another.readline(), another.readline()) == (
                b"retry: 2000\n", b"\n", b"event: seen\n",
            )  # fmt: skip
            assert code(listening.port) == 200
        wait_until(lambda: not watch._viewers, 30, "them to be let go")

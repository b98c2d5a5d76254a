"""What listens for probes answers them, whoever else is connected."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from outbox.serving import prompt
from relay.monitoring.http import Listener
from tests.waiting import wait_until


async def alive(_: Request) -> Response:
    return PlainTextResponse("alive")


def code(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    finally:
        connection.close()


def test_connections_that_send_nothing_do_not_hold_up_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an orchestrator would start anew a relay that is well."""
    monkeypatch.setattr(prompt, "HEAD_SECONDS", 0.5)
    with Listener("127.0.0.1", 0, Starlette(routes=[Route("/healthz", alive)])) as listening, ExitStack() as idle:
        wait_until(lambda: code(listening.port) == 200, 30, "it to listen")
        for _ in range(70):
            idle.enter_context(socket.create_connection(("127.0.0.1", listening.port), 10))
        assert code(listening.port) == 503

        wait_until(lambda: code(listening.port) == 200, 30, "them to be let go")

"""A server of HTTP lets go of clients that hold what others need."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from outbox.serving import prompt
from tests.waiting import wait_until


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Sends as many thousands of bytes as the path says."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(int(scope["path"].removeprefix("/") or 0)):
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
    await send({"type": "http.response.body", "body": b"done"})


@contextlib.contextmanager
def serving(send_seconds: float) -> Iterator[tuple[tuple[str, int], uvicorn.Server]]:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    http = prompt.prompt(H11Protocol, send_seconds)
    server = uvicorn.Server(uvicorn.Config(answer, log_config=None, lifespan="off", http=http, ws="none"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        wait_until(lambda: server.started, 30, "the server")
        yield listening.getsockname(), server
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


def test_who_sends_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "HEAD_SECONDS", 0.2)
    with serving(60.0) as (address, _), socket.create_connection(address, 10) as client:
        assert client.recv(100) == b""


@pytest.mark.parametrize("thousands", [1000, 40], ids=["of much", "of what fits into a buffer"])
def test_who_takes_nothing_is_let_go(thousands: int) -> None:
    with serving(0.2) as (address, server), socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(address)
        client.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % thousands)
        wait_until(lambda: server.server_state.connections, 30, "it to be served")

        wait_until(lambda: not server.server_state.connections, 30, "it to be let go")


def test_who_asks_in_time_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "HEAD_SECONDS", 0.2)
    with serving(0.2) as (address, _), socket.create_connection(address, 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"".join(iter(lambda: client.recv(4096), b"")).endswith(b"done\r\n0\r\n\r\n")

"""What a client of the listener is answered, whatever it sends, and who is let go."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from relay.monitoring import connection
from relay.monitoring.listener import Listener
from tests.waiting import wait_until

LARGE = b"x" * 300_000
left = threading.Event()


async def echo(request: Request) -> Response:
    return PlainTextResponse(f"{request.query_params.get('q')} {len(await request.body())}")


async def refuse(_: Request) -> Response:
    return PlainTextResponse("no", 403)


async def fail(_: Request) -> Response:
    raise ValueError("a defect")


async def stream(_: Request) -> Response:
    async def parts() -> Any:
        try:
            while True:
                yield LARGE
        finally:
            left.set()

    return StreamingResponse(parts())


ROUTES = [
    Route("/echo", echo, methods=["GET", "POST"]),
    Route("/refuse", refuse, methods=["POST"]),
    Route("/fail", fail),
    Route("/stream", stream),
]


@pytest.fixture
def client() -> Iterator[HTTPConnection]:
    with Listener("127.0.0.1", 0, Starlette(routes=ROUTES)) as listening:
        made = HTTPConnection("127.0.0.1", listening.port, timeout=10)
        yield made
        made.close()


def answer(client: HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    client.request(method, path, body)
    response = client.getresponse()
    return response.status, response.read()


def test_requests_are_answered_one_after_the_other_on_one_connection(client: HTTPConnection) -> None:
    assert answer(client, "GET", "/echo?q=1") == (200, b"1 0")
    before = client.sock
    assert answer(client, "POST", "/echo?q=2", LARGE) == (200, b"2 300000")
    assert answer(client, "HEAD", "/echo?q=3") == (200, b"")
    assert answer(client, "POST", "/refuse", LARGE) == (403, b"no")
    assert client.sock is before


def test_a_request_that_fails_is_told_so_and_logged(client: HTTPConnection, caplog: pytest.LogCaptureFixture) -> None:
    code, text = answer(client, "GET", "/fail")

    assert code == 500
    assert b"a defect" not in text
    wait_until(lambda: "a request of /fail failed" in caplog.text, 10, "the log")


def test_what_is_no_request_is_refused(client: HTTPConnection) -> None:
    with socket.create_connection((client.host, client.port), 10) as raw:
        raw.sendall(b"nonsense\r\n\r\n")

        assert raw.makefile("rb").readline().startswith(b"HTTP/1.1 400 ")


def test_a_stream_ends_when_its_client_is_gone(client: HTTPConnection) -> None:
    left.clear()
    client.request("GET", "/stream")
    assert client.getresponse().status == 200
    client.close()

    assert left.wait(10)


def test_who_takes_nothing_is_let_go(client: HTTPConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SEND_SECONDS", 0.2)
    left.clear()
    client.request("GET", "/stream")

    assert left.wait(10)


def test_who_sends_half_a_body_is_let_go(client: HTTPConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    with socket.create_connection((client.host, client.port), 10) as raw:
        raw.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")

        assert raw.makefile("rb").read() == b""

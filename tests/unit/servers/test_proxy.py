"""The proxy that stands for the network in the tests of faults."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.servers.proxy import Proxy, Traffic


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says everything again."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                while said := connection.recv(4096):
                    connection.sendall(said)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=server.accept()[:1], daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy(echo) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
        yield client


def test_what_is_sent_passes_both_ways(client: socket.socket) -> None:
    client.sendall(b"x" * 100_000)

    assert sum(len(chunk) for chunk in _received(client, 100_000)) == 100_000


def test_a_cut_resets_what_is_connected_and_what_connects(proxy: Proxy, client: socket.socket) -> None:
    proxy.cut()

    assert _ended(client)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as other:
        assert _ended(other)


def test_after_a_cut_it_can_be_restored(proxy: Proxy, client: socket.socket) -> None:
    proxy.cut()
    proxy.restore()

    assert _ended(client)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as other:
        other.sendall(b"again")
        assert other.recv(100) == b"again"


@pytest.mark.parametrize("way", [{"answers": False}, {"requests": False}, {}])
def test_what_is_held_arrives_when_it_is_restored(proxy: Proxy, client: socket.socket, way: dict[str, bool]) -> None:
    proxy.hold(**way)
    client.sendall(b"held")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(100)
    proxy.restore()
    client.settimeout(20)

    assert client.recv(100) == b"held"


def test_what_is_held_and_then_cut_is_lost(proxy: Proxy, client: socket.socket) -> None:
    proxy.hold()
    client.sendall(b"held")
    proxy.cut()
    proxy.restore()

    assert _ended(client)


def test_a_delay_takes_its_time_each_way(proxy: Proxy, client: socket.socket) -> None:
    proxy.delay(0.2)
    sent = time.monotonic()
    client.sendall(b"slow")

    assert client.recv(100) == b"slow"
    assert time.monotonic() - sent >= 0.4


def test_one_client_can_be_cut_off_and_the_other_not(echo: int) -> None:
    refused: set[int] = set()
    with Proxy(echo, refuses=refused.__contains__) as proxy, contextlib.ExitStack() as stack:
        one, other = (
            stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=20)) for _ in range(2)
        )
        for each in (one, other):
            each.sendall(b"hello")
            assert each.recv(100) == b"hello"
        refused.add(one.getsockname()[1])
        proxy.sift()

        assert _ended(one)
        other.sendall(b"still here")
        assert other.recv(100) == b"still here"


def test_an_answer_can_be_changed_in_passing(echo: int) -> None:
    class Loud(Traffic):
        def answer(self, chunk: bytes) -> bytes:
            return chunk.upper()

    with Proxy(echo, traffic=Loud) as proxy, socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"


def test_a_server_that_is_away_is_away_behind_the_proxy_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with Proxy(port) as proxy, socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client:
        assert _ended(client)


def _received(client: socket.socket, size: int) -> Iterator[bytes]:
    while size > 0:
        chunk = client.recv(size)
        size -= len(chunk)
        yield chunk


def _ended(client: socket.socket) -> bool:
    try:
        return client.recv(100) == b""
    except ConnectionError:
        return True

"""What stands before all calls."""

from __future__ import annotations

import socket

import pytest

from outbox import Outbox
from outbox.gateway.limits import Limits
from outbox.serving import prompt
from tests.actors.gateway import Served, gateway
from tests.actors.order_service import placed
from tests.waiting import wait_until


def test_a_body_that_says_that_it_is_too_large_is_not_read(served: Served) -> None:
    address = served.client.base_url
    with socket.create_connection((address.host, address.port or 0), 10) as client:
        client.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"error":"too_large"' in answer


def test_a_body_that_grows_too_large_is_refused(orders: Outbox) -> None:
    with gateway(orders, limits=Limits(request_bytes=1000)) as small:
        chunks = iter([b"x" * 600, b"x" * 600])
        answer = small.client.post("/v1/messages", content=chunks, headers={"Content-Type": "application/json"})

        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


@pytest.mark.parametrize(
    "limits", [Limits(connections=1), Limits(connections_of_token=1)], ids=["in all", "of a token"]
)
def test_there_are_no_more_connections_than_the_limit(orders: Outbox, name: str, limits: Limits) -> None:
    with gateway(orders, limits=limits) as small:
        small.register(name)
        with small.polling(name, wait=10):
            answer = small.client.get("/openapi.json")

            assert (answer.status_code, answer.json()["error"]) == (429, "too_many")
            assert small.client.get("/healthz").status_code == 200
            small.put(1)


def test_too_many_requests_a_second_are_told_when_to_come_back(orders: Outbox) -> None:
    with gateway(orders, limits=Limits(requests_a_second=1)) as small:
        answers = [small.client.get("/openapi.json") for _ in range(12)]

    assert answers[0].status_code == 200
    assert (answers[-1].status_code, answers[-1].headers["retry-after"]) == (429, "1")


def test_a_page_of_another_origin_cannot_call(served: Served) -> None:
    own = f"http://{served.client.base_url.netloc.decode()}"

    assert served.client.get("/openapi.json", headers={"Origin": own}).status_code == 200
    for other in ("http://evil.example", "null", "http://["):
        assert served.client.get("/openapi.json", headers={"Origin": other}).status_code == 403


def test_a_client_that_is_slow_with_the_head_of_its_request_loses_its_place(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt, "HEAD_SECONDS", 0.2)
    address = served.client.base_url
    with socket.create_connection((address.host, address.port or 0), 10) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        assert client.recv(4096) == b""


def test_a_client_that_takes_nothing_is_left_and_that_is_no_fault_of_the_gateway(
    orders: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    with gateway(orders, limits=Limits(send_seconds=1)) as small, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((small.client.base_url.host, small.client.base_url.port or 0))
        client.sendall(b"GET /v1/live/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: small.gateway.connections == 1)
        orders.put([placed(1, note="x" * 500_000) for _ in range(20)], standalone=True)
        wait_until(lambda: small.gateway.connections == 0, 30, "it to be left")

    assert [each for each in caplog.records if each.levelname == "ERROR"] == []

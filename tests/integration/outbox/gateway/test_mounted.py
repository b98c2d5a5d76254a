"""A gateway under a path of another application, behind a proxy that has a prefix of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from outbox import Outbox, remote
from outbox.gateway.scope import Scope
from outbox.gateway.tokens.file_tokens import FileTokens
from outbox.gateway.tokens.token import new_token
from tests.actors.gateway import Served, gateway
from tests.actors.order_service import MESSAGES, placed


@pytest.fixture(scope="module")
def mounted(orders: Outbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    file: Path = tmp_path_factory.mktemp("mounted") / "tokens"
    token, text = new_token("web", Scope(), "now")
    FileTokens(file).put(token)
    with gateway(orders, tokens=file, mounted="/outbox", proxied="/proxy") as served:
        served.client.headers["Authorization"] = f"Bearer {text}"
        # So that their threads are there before those of a test.
        served.client.get("/v1/live/records")
        served.client.post("/v1/messages", json={"type": "stock.counted", "data": {"count": 1}})
        served.numbered()
        yield served


def test_probes_are_free_and_nothing_else_is(mounted: Served) -> None:
    codes = {
        path: mounted.client.get(path, headers={"Authorization": ""}).status_code
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/healthz/", "/v1/live/records", "/healthz/x")
    }

    assert codes == {
        **dict.fromkeys(("/healthz", "/readyz"), 200),
        **dict.fromkeys(("/metrics", "/openapi.json", "/healthz/", "/v1/live/records", "/healthz/x"), 401),
    }


def test_its_calls_are_answered_and_what_is_none_is_said_so(mounted: Served, name: str) -> None:
    mounted.register(name)
    posted = mounted.client.post("/v1/messages?wait=10", json={"type": "stock.counted", "data": {"count": 1}})
    with mounted.client.stream("GET", f"/v1/consumers/{name}/stream") as stream:
        told = next(line for line in stream.iter_lines() if line.startswith("id:"))
    nothing, wrong = mounted.client.get("/v1/messages/"), mounted.client.delete("/v1/messages")
    metrics = mounted.client.get("/metrics").text

    assert told == f"id: {posted.json()['seq']}"
    assert (nothing.status_code, nothing.json()["error"]) == (404, "no_such_call")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert 'gateway_calls_total{kind="reliable"} 2.0' in metrics


def test_its_document_says_where_it_is(mounted: Served) -> None:
    assert mounted.client.get("/openapi.json").json()["servers"] == [{"url": "/proxy/outbox"}]


def test_its_websockets_are_found_and_none_is_open_to_all(mounted: Served) -> None:
    address = str(mounted.client.base_url).replace("http", "ws").rstrip("/")
    headers = {"Authorization": mounted.client.headers["Authorization"]}
    with connect(f"{address}/v1/live/ws", additional_headers=headers) as live:
        live.send('{"credits": 1}')
    refused = {}
    for given in (None, headers):
        with pytest.raises(InvalidStatus) as found:
            connect(f"{address}/healthz", additional_headers=given)
        refused[given is None] = found.value.response.status_code

    assert refused == {True: 401, False: 404}


def test_the_client_reaches_it_by_its_whole_address(mounted: Served) -> None:
    token = mounted.client.headers["Authorization"].removeprefix("Bearer ")
    with remote(str(mounted.client.base_url), token=token, messages=MESSAGES) as orders:
        id = orders.put(placed(7))
        mounted.numbered()

        assert id in [each.id for each in orders.read("earliest")]

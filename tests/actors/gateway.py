"""A gateway on a free port, and what its clients do most."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount

from outbox import Outbox
from outbox.gateway.application import Gateway, application
from outbox.gateway.delivery.components import Component
from outbox.gateway.limits import Limits
from outbox.gateway.scope import ANYBODY
from outbox.gateway.serving import GatewayServer, listening, listening_at
from tests.actors.order_service import placed
from tests.waiting import wait_until


@dataclass(frozen=True)
class Served:
    """The outbox, and a client of its gateway."""

    orders: Outbox
    client: httpx2.Client
    gateway: Gateway

    def component(self, consumer: str) -> Component:
        """A consumer of whoever calls without a token."""
        return Component(ANYBODY, consumer)

    def register(self, consumer: str, **body: Any) -> None:
        """Registers a consumer, for what comes from now on."""
        answer = self.client.put(f"/v1/consumers/{consumer}", json={"start": "latest", **body})
        assert answer.status_code == 201, answer.text

    def put(self, *totals: int, order_id: str = "42") -> int:
        """Puts so many messages, and numbers them; returns the last one's seq."""
        for total in totals:
            self.orders.put(placed(total, order_id), standalone=True)
        return self.numbered()

    def numbered(self) -> int:
        """Waits until the gateway has numbered what was put; returns the newest seq."""
        put = {each["_id"] for each in self.orders.collections.staging.find({}, {"_id": 1})}
        left = {"_id": {"$in": list(put)}}
        wait_until(lambda: self.orders.collections.staging.find_one(left) is None)
        return self.orders.log.head()

    @contextlib.contextmanager
    def polling(self, consumer: str, **asked: Any) -> Iterator[list[httpx2.Response]]:
        """Polls on a thread, which is at it inside the `with`; the answer is in the list afterwards."""
        answers: list[httpx2.Response] = []
        path = f"/v1/consumers/{consumer}/records"
        thread = threading.Thread(target=lambda: answers.append(self.client.get(path, params=asked)))
        thread.start()
        wait_until(lambda: f"consumer:anonymous.{consumer}" in self.gateway.components.connected_ids)
        yield answers
        thread.join(30)
        assert not thread.is_alive()

    def poll(self, consumer: str, **asked: Any) -> dict[str, Any]:
        """Polls, and returns the answer."""
        answer = self.client.get(f"/v1/consumers/{consumer}/records", params=asked)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@contextlib.contextmanager
def gateway(
    orders: Outbox, *, socket: Path | None = None, mounted: str = "", proxied: str = "", **options: Any
) -> Iterator[Served]:
    """Serves the outbox, on a port, or on a Unix socket.

    mounted: the path that another application has it under, which does not tell it of its start. proxied: what a proxy
    takes away from before all paths.
    """
    app = application(orders, **options)
    own = app.state.gateway
    if mounted:
        app = Starlette(routes=[Mount(mounted, app)])
        app.state.gateway = own
    with listening("127.0.0.1", 0) if socket is None else listening_at(socket) as place:
        server = GatewayServer(app, options.get("limits", Limits()), only_own_names=False)
        server.config.root_path = proxied
        thread = threading.Thread(target=server.run, args=([place],), daemon=True)
        thread.start()
        wait_until(lambda: server.started or not thread.is_alive(), 30, "the gateway to start")
        assert server.started, "it did not start; the log says why"
        alone = httpx2.Limits(max_keepalive_connections=0)  # after an error the server closes the connection
        url = "http://localhost" if socket else f"http://127.0.0.1:{place.getsockname()[1]}{mounted}"
        transport = httpx2.HTTPTransport(uds=str(socket)) if socket else None
        try:
            with httpx2.Client(limits=alone, base_url=url, timeout=30, transport=transport) as client:
                yield Served(orders, client, own)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def totals(answer: dict[str, Any]) -> list[int]:
    """The totals of the orders that were given."""
    return [record["data"]["total"] for record in answer["records"]]

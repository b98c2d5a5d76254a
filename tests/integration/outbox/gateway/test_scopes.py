"""Callers with tokens: each sees its own, and nothing of what its scope hides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from outbox import Outbox
from outbox.gateway.scope import Scope
from outbox.gateway.tokens.file_tokens import FileTokens
from outbox.gateway.tokens.token import new_token
from tests.actors.gateway import Served, gateway
from tests.actors.order_service import OrderCancelled, placed
from tests.waiting import wait_until

READ = frozenset({"read"})
SCOPES = {
    "all": Scope(),
    "reader": Scope(READ),
    "poster": Scope(frozenset({"post"}), frozenset({"order.placed"}), key_prefix="acme-", headers={"tenant": "acme"}),
    "cancelled": Scope(READ, frozenset({"order.cancelled"})),
    "acme": Scope(READ, key_prefix="acme-"),
    "tenant": Scope(READ, headers={"tenant": "acme"}),
    "one": Scope(READ, components=frozenset({"mine"})),
}


@dataclass
class Secured:
    """A gateway, and the callers of its tokens."""

    served: Served
    tokens: FileTokens
    texts: dict[str, str]

    def call(self, token: str, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.texts[token]}", **options.pop("headers", {})}
        return self.served.client.request(method, path, headers=headers, **options)

    def register(self, token: str, consumer: str) -> None:
        assert self.call(token, "PUT", f"/v1/consumers/{consumer}", json={"start": "latest"}).status_code == 201

    def poll(self, token: str, consumer: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call(token, "GET", f"/v1/consumers/{consumer}/records").json()
        return found


@pytest.fixture(scope="module")
def secured(orders: Outbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    file: Path = tmp_path_factory.mktemp("gateway") / "tokens"
    tokens, texts = FileTokens(file), {}
    for name, scope in SCOPES.items():
        token, texts[name] = new_token(name, scope, "now")
        tokens.put(token)
    with gateway(orders, tokens=file) as served:
        secured = Secured(served, tokens, texts)
        secured.call("all", "GET", "/v1/live/records")
        yield secured


def hidden_and_seen(secured: Secured) -> tuple[int, int]:
    """Puts two messages that most scopes hide, one that they see, and two again; returns the one's seq and the last."""
    orders = secured.served.orders
    for _ in range(2):
        orders.put(placed(1, "other"), standalone=True)
    secured.served.numbered()
    orders.put(OrderCancelled(order_id="acme-1"), standalone=True, headers={"tenant": "acme"})
    seen = secured.served.numbered()
    return seen, secured.served.put(2, 3, order_id="other")


@pytest.mark.parametrize("path", ["/v1/consumers/a", "/v1/live/records", "/v1/messages", "/openapi.json"])
def test_without_a_token_nothing_is_answered(secured: Secured, path: str) -> None:
    answer = secured.served.client.get(path)

    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert secured.served.client.get("/healthz").status_code == 200


def test_a_caller_s_consumers_are_its_own(secured: Secured, name: str) -> None:
    secured.register("all", name)

    assert secured.call("reader", "GET", f"/v1/consumers/{name}").status_code == 404
    assert secured.served.orders.consumer(f"all.{name}").position() is not None


@pytest.mark.parametrize("token", ["cancelled", "acme", "tenant"])
def test_a_scope_hides_records_and_what_counts_them(secured: Secured, name: str, token: str) -> None:
    secured.register(token, name)
    seen, _ = hidden_and_seen(secured)
    answer = wait_until(lambda: (found := secured.poll(token, name))["records"] and found)

    assert [each["seq"] for each in answer["records"]] == [seen]
    assert (answer["next"], answer["head"], answer["oldest"]) == (seen, seen, None)
    shown = secured.call(token, "GET", f"/v1/consumers/{name}").json()
    assert {shown[each] for each in ("position", "head", "lag", "headroom")} == {None}


def test_a_scope_cannot_be_asked_where_the_log_ends(secured: Secured, name: str) -> None:
    secured.register("cancelled", name)
    for beyond in (0, 10**6):
        last = secured.served.orders.log.head() + beyond
        answers = [
            secured.call("cancelled", "GET", f"/v1/consumers/{name}/records?after={last}"),
            secured.call("cancelled", "POST", f"/v1/consumers/{name}/ack", json={"seq": last}),
            secured.call("cancelled", "GET", f"/v1/live/records?after={last}"),
            secured.call("cancelled", "PUT", f"/v1/consumers/{name}x", json={"start": last}),
        ]
        assert [each.status_code for each in answers] == [200, 204, 200, 400]
        assert (answers[0].json()["next"], answers[0].json()["head"]) == (0, 0)
        assert str(secured.served.orders.log.head()) not in answers[3].json()["detail"]
    served, orders = secured.served, secured.served.orders
    orders.put(OrderCancelled(order_id="1"), standalone=True)
    served.numbered()
    wait_until(lambda: secured.poll("cancelled", name)["records"])


@pytest.mark.parametrize("beyond", [0, 10**6])
def test_acknowledging_what_it_cannot_see_tells_a_scope_nothing(secured: Secured, name: str, beyond: int) -> None:
    secured.register("cancelled", name)
    seen, last = hidden_and_seen(secured)
    wait_until(lambda: secured.poll("cancelled", name)["records"])
    path = f"/v1/consumers/{name}"
    answers = [
        secured.call("cancelled", "GET", f"{path}/records?after={last + beyond}").json(),
        secured.call("cancelled", "GET", f"{path}/records?after={seen}").json(),
    ]

    assert {(each["next"], each["head"]) for each in answers} == {(seen, seen)}
    assert secured.call("cancelled", "GET", path).json()["position"] == seen


def test_what_a_scope_has_acknowledged_elsewhere_is_its_place(secured: Secured, name: str) -> None:
    secured.register("cancelled", name)
    seen, _ = hidden_and_seen(secured)
    wait_until(lambda: secured.poll("cancelled", name)["records"])
    secured.call("cancelled", "POST", f"/v1/consumers/{name}/ack", json={"seq": seen})
    wait_until(lambda: secured.served.gateway.components.running_ids == frozenset())

    assert secured.call("cancelled", "GET", f"/v1/consumers/{name}/records?after={seen}").json()["next"] == seen


def test_what_a_scope_hides_does_not_hold_the_log(secured: Secured, name: str) -> None:
    secured.register("cancelled", name)
    last = secured.served.put(1, 2, 3)
    assert secured.poll("cancelled", name)["records"] == []
    in_process = secured.served.orders.consumer(f"cancelled.{name}")

    wait_until(lambda: in_process.position() == last)


def test_a_live_caller_sees_its_scope_alone(secured: Secured) -> None:
    after = secured.served.orders.log.head()
    seen, last = hidden_and_seen(secured)
    secured.call("all", "GET", f"/v1/live/records?after={last - 1}&wait=10")
    answer = secured.call("cancelled", "GET", f"/v1/live/records?after={after}").json()

    assert [each["seq"] for each in answer["records"]] == [seen]
    assert (answer["next"], answer["head"], answer["oldest"]) == (seen, seen, None)
    assert secured.call("cancelled", "GET", "/v1/live/records").json()["next"] is None


def test_a_component_that_is_not_the_token_s_is_forbidden_whether_it_is_there_or_not(secured: Secured) -> None:
    secured.register("one", "mine")
    answers = [secured.call("one", method, "/v1/consumers/theirs") for method in ("PUT", "GET", "DELETE")]

    assert {(each.status_code, each.json()["error"]) for each in answers} == {(403, "forbidden")}


def test_rights_are_needed(secured: Secured) -> None:
    message = {"type": "order.placed", "data": {"order_id": "acme-1"}}

    assert secured.call("reader", "POST", "/v1/messages", json=message).status_code == 403
    assert secured.call("reader", "GET", "/metrics").status_code == 403
    assert secured.call("all", "GET", "/metrics").status_code == 200
    for path in ("/v1/consumers/a/records", "/v1/live/records", "/v1/live/stream"):
        assert secured.call("poster", "GET", path).status_code == 403


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"type": "order.placed", "data": {"order_id": "acme-1"}, "headers": {"tenant": "acme"}}, 201),
        ({"type": "order.placed", "data": {"order_id": "other-1"}, "headers": {"tenant": "acme"}}, 403),
        ({"type": "order.placed", "data": {"order_id": "acme-1"}}, 403),
        ({"type": "order.cancelled", "data": {"order_id": "acme-1"}, "headers": {"tenant": "acme"}}, 403),
        ({"type": "no.such.type", "data": {}, "headers": {"tenant": "acme"}}, 403),
    ],
)
def test_a_message_outside_the_scope_is_forbidden(secured: Secured, message: Any, status: int) -> None:
    assert secured.call("poster", "POST", "/v1/messages", json=message).status_code == status


def test_the_document_has_the_types_of_the_scope(secured: Secured) -> None:
    text = secured.call("cancelled", "GET", "/openapi.json").text

    assert "order.cancelled" in text
    assert "order.placed" not in text


def test_a_removed_token_counts_no_more_without_a_restart_and_its_stream_ends(secured: Secured, name: str) -> None:
    token, secured.texts[name] = new_token(name, Scope(), "now")
    secured.tokens.put(token)
    wait_until(lambda: secured.call(name, "GET", "/v1/live/records").status_code == 200)
    headers = {"Authorization": f"Bearer {secured.texts[name]}"}
    with secured.served.client.stream("GET", "/v1/live/stream", headers=headers, timeout=5) as answer:
        lines = answer.iter_lines()
        next(lines)
        secured.tokens.remove(name)
        wait_until(lambda: secured.call(name, "GET", "/v1/live/records").status_code == 401)
        secured.served.put(1)
        assert "event: end" in list(lines)


def test_when_a_token_was_used_is_noted(secured: Secured) -> None:
    secured.call("all", "GET", "/v1/live/records")

    wait_until(lambda: secured.tokens.load()["all"].used)

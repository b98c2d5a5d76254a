"""The application as a whole: health, its document, what is no call."""

from __future__ import annotations

import pytest
from pymongo import MongoClient

from outbox import Outbox, OutboxClosed
from outbox.gateway.application import application
from tests.actors.gateway import Served, gateway


def test_it_is_not_ready_while_it_ends_and_takes_no_more_calls(orders: Outbox) -> None:
    with gateway(orders) as served:
        served.gateway.leave()

        assert served.client.get("/readyz").status_code == 503
        answer = served.client.put("/v1/consumers/some")
        assert (answer.status_code, answer.json()["error"]) == (503, "closing")


def test_its_document_has_every_call_and_every_message(served: Served) -> None:
    document = served.client.get("/openapi.json").json()

    assert document["openapi"] == "3.1.0"
    assert {"/v1/consumers/{consumer}/records", "/v1/messages", "/healthz"} <= document["paths"].keys()
    posted = document["paths"]["/v1/messages"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert [each["properties"]["type"]["const"] for each in posted["oneOf"]] == list(served.orders.json_schemas())


def test_what_is_no_call_is_said_so_in_json(served: Served) -> None:
    answers = [served.client.get("/v1/nothing"), served.client.delete("/healthz"), served.client.head("/healthz")]

    assert [each.status_code for each in answers] == [404, 405, 405]
    assert answers[0].json()["error"] == "no_such_call"
    assert answers[1].headers["allow"] == "GET"
    assert served.client.post("/v1/consumers/some").headers["allow"] == "DELETE, GET, PUT"


def test_what_is_posted_gets_its_number_also_while_nobody_reads(served: Served) -> None:
    message = {"type": "stock.counted", "data": {"count": 1}}

    assert served.client.post("/v1/messages?wait=10", json=message).json()["seq"] > 0


def test_an_outbox_that_is_closed_is_refused_at_once(mongo: MongoClient[dict[str, object]]) -> None:
    orders = Outbox(mongo["nothing"])
    orders.close()

    with pytest.raises(OutboxClosed):
        application(orders)


@pytest.mark.parametrize("path", ["/v1/consumers/%2e%2e%2fx", "/v1/consumers/a%00b", "/v1/consumers/a%0d%0ab"])
def test_a_component_is_of_few_characters(served: Served, path: str) -> None:
    assert served.client.get(path).status_code in (400, 404)

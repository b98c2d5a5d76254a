"""The OpenAPI document."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from outbox.gateway.http import schemas
from outbox.gateway.http.call import Call
from outbox.gateway.http.openapi import document


async def nothing(request: Request) -> Response:
    return Response()


CALLS = [
    Call(
        "GET",
        "/v1/consumers/{consumer}/records",
        "Give.",
        nothing,
        {200: schemas.RECORDS},
        (404,),
        query={"limit": schemas.whole(1, 9, 5)},
    ),
    Call("POST", "/v1/messages", "Put.", nothing, {201: schemas.POSTED}, body={}),
    Call("GET", "/healthz", "Tell.", nothing, {200: None}, is_open=True),
]


def operation(path: str, method: str = "get", *, tokens: bool = False, **messages: Any) -> dict[str, Any]:
    found: dict[str, Any] = document(CALLS, messages, tokens=tokens)["paths"][path][method]
    return found


def test_a_call_has_its_parameters_and_answers() -> None:
    found = operation(CALLS[0].path)

    assert [(each["in"], each["name"]) for each in found["parameters"]] == [("path", "consumer"), ("query", "limit")]
    assert {"200", "404", "401", "500"} <= found["responses"].keys()
    assert found["responses"]["200"]["content"]["application/json"]["schema"] == schemas.RECORDS


def test_a_message_is_one_of_the_types_that_may_be_known() -> None:
    body = operation("/v1/messages", "post", a={"type": "object"})["requestBody"]["content"]["application/json"]

    assert [each["properties"]["type"] for each in body["schema"]["oneOf"]] == [{"const": "a"}]


def test_what_needs_no_token_says_so() -> None:
    assert "security" not in operation("/healthz", tokens=True)
    assert operation("/v1/messages", "post", tokens=True)["security"] == [{"token": []}]

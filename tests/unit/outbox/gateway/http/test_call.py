"""One definition makes a call's route and what is said of it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from outbox.errors import HistoryLost
from outbox.gateway.answers import Json
from outbox.gateway.http.call import Call, refused


async def nothing(request: Request) -> Response:
    return Json({})


def test_its_route_takes_its_method_alone() -> None:
    assert Call("GET", "/a", "Do.", nothing, {200: None}).route.methods == {"GET"}


def test_of_what_nobody_foresaw_the_client_is_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "outbox"):
        refusal = refused(ValueError("a secret"), hides=False)

    assert (refusal.status, refusal.code) == (500, "internal")
    assert "secret" not in str(refusal)
    assert "a secret" in caplog.text


def test_what_a_call_raises_is_answered() -> None:
    async def fails(request: Request) -> Response:
        raise ValueError

    route = Call("GET", "/a", "Do.", fails, {200: None}).route
    scope = {"type": "http", "method": "GET", "path": "/a", "headers": []}

    assert asyncio.run(route.endpoint(Request(scope))).status_code == 500


def test_a_client_that_goes_while_it_sends_is_no_fault_of_the_gateway(caplog: pytest.LogCaptureFixture) -> None:
    async def goes(request: Request) -> Response:
        raise ClientDisconnect

    route = Call("POST", "/a", "Do.", goes, {200: None}).route
    answer = asyncio.run(route.endpoint(Request({"type": "http", "method": "POST", "path": "/a", "headers": []})))

    assert (answer.status_code, caplog.records) == (499, [])


def test_who_does_not_see_every_record_is_not_told_which_seqs_there_are() -> None:
    refusal = refused(HistoryLost(3, 9), hides=True)

    assert (refusal.status, refusal.code) == (410, "history_lost")
    assert refusal.body.keys() == {"error", "detail"}
    assert "9" not in str(refusal)

"""The name of FastAPI is where it was. Red means: find where it is, in `fastapi_internals`."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from starlette.requests import HTTPConnection, Request

from outbox.contrib.fastapi.fastapi_internals import function_stack
from outbox.errors import OutboxError

steps: list[str] = []


def test_the_stack_is_closed_behind_the_handler_and_what_that_raises_is_the_answer() -> None:
    def fails() -> None:
        steps.append("closed")
        raise ValueError("the commit failed")

    def depends(connection: HTTPConnection) -> None:
        stack: AsyncExitStack = function_stack(connection)
        stack.callback(fails)

    app = FastAPI()

    @app.get("/", dependencies=[Depends(depends)])
    def handler() -> str:
        steps.append("handled")
        return "200"

    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 500
    assert steps == ["handled", "closed"]


def test_a_fastapi_without_it_is_refused() -> None:
    with pytest.raises(OutboxError, match="FastAPI 0.121 or newer"):
        function_stack(Request({"type": "http"}))

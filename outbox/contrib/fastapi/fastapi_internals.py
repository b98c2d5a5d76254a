"""Finds the private name of FastAPI that this package uses. Seen in FastAPI 0.121 to 0.165."""

from __future__ import annotations

from contextlib import AsyncExitStack

from starlette.requests import HTTPConnection

from outbox.errors import OutboxError

_FUNCTION_STACK = "fastapi_function_astack"


def function_stack(connection: HTTPConnection) -> AsyncExitStack:
    """Returns what FastAPI closes when the handler of a request has returned or raised, before it sends a response.

    A dependency with `yield` may do the same by `Depends(…, scope="function")`; without that, FastAPI ends it when the
    response has been sent, and whoever forgot the word would tell a client of what is not committed. Raises OutboxError
    when there is none.
    """
    stack: object = connection.scope.get(_FUNCTION_STACK)
    if not isinstance(stack, AsyncExitStack):
        raise OutboxError(
            f"the request has no {_FUNCTION_STACK}: `transaction` is for Depends() in an application of FastAPI 0.121 "
            "or newer. In a newer one than mongo-outbox knows, install an older FastAPI, or a newer mongo-outbox"
        )
    return stack

"""A gateway at work as a user of the database, and what the server refuses it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import OperationFailure

from outbox import Outbox
from outbox.gateway.delivery import components
from outbox.gateway.scope import Scope
from outbox.gateway.tokens.stored_tokens import StoredTokens
from outbox.gateway.tokens.token import new_token
from tests.actors.gateway import gateway
from tests.actors.order_service import MESSAGES, new_outbox
from tests.waiting import wait_until

Document = dict[str, Any]

CONSUMER = "/v1/consumers/billing"
MESSAGE = {"type": "order.placed", "data": {"order_id": "42"}}
POST = ("POST", "/v1/messages?wait=10", {"json": MESSAGE, "headers": {"Idempotency-Key": "a"}})
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("PUT", CONSUMER, {"json": {"types": ["order.placed"]}}),
    POST,
    POST,  # what came with its key is looked up
    ("GET", f"{CONSUMER}/records?wait=10", {}),
    ("POST", f"{CONSUMER}/ack", {"json": {"seq": 1}}),
    *(("GET", path, {}) for path in (CONSUMER, "/v1/live/records", "/readyz", "/metrics")),
    ("DELETE", CONSUMER, {}),
]
"""All that a gateway does for its clients."""


def serve(admin: Database[Document], user: Database[Document]) -> None:
    """Answers every call as this user, or raises what the server refuses it."""
    orders = new_outbox(admin, sequence=False)
    token, text = new_token("web", Scope(), "now")
    StoredTokens(orders.collections).put(token)
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(components, "TAKE_SECONDS", 1.0)  # a consumer that may not begin is waited for
        refused = stack.enter_context(refusals())
        outbox = stack.enter_context(Outbox(user, messages=MESSAGES))
        served = stack.enter_context(gateway(outbox, tokens=StoredTokens(outbox.collections)))
        served.client.headers["Authorization"] = f"Bearer {text}"
        for method, path, options in CALLS:
            answer = served.client.request(method, path, **options)
            if not answer.is_success:
                raise refused[0] if refused else AssertionError(answer.text)
        wait_until(lambda: refused or StoredTokens(orders.collections).load()["web"].used)
    if refused:
        raise refused[0]


@contextlib.contextmanager
def refusals() -> Iterator[list[OperationFailure]]:
    """What the server refuses a process that answers others, by its log output."""
    found: list[OperationFailure] = []

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raised = record.exc_info[1] if record.exc_info else None
            found.extend(each for each in (raised, *(record.args or ())) if isinstance(each, OperationFailure))

    logger, heard = logging.getLogger("outbox"), Heard()
    logger.addHandler(heard)
    try:
        yield found
    finally:
        logger.removeHandler(heard)

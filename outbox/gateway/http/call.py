"""A call of the contract: its route, and what the OpenAPI document says of it, in one definition."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import PyMongoError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from outbox.errors import CursorMismatch, HistoryLost, InvalidStart, LogReplaced
from outbox.gateway.answers import Refusal, answer, refusal_of
from outbox.gateway.asked import Gone

logger = logging.getLogger("outbox")

Endpoint = Callable[[Request], Awaitable[Response]]
Schema = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One call: how it is made, who answers, and with what."""

    method: str
    path: str
    summary: str
    endpoint: Endpoint
    answers: Mapping[int, Schema | None]
    """The JSON Schema of each answer that is no refusal; None for one without a body."""
    refusals: tuple[int, ...] = ()
    """The statuses of its own refusals, beside those that any call may have."""
    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    media_type: str = "application/json"
    is_open: bool = False
    """Whether it is answered without a token."""

    @property
    def route(self) -> Route:
        """Makes its route."""
        route = Route(self.path, _answering(self.endpoint), methods=[self.method])
        route.methods = {self.method}  # Starlette adds HEAD, which would run a stream for nobody
        return route


def _answering(endpoint: Endpoint) -> Endpoint:
    async def answering(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (Gone, ClientDisconnect):
            return Response(status_code=499)  # nobody gets it
        except Exception as error:  # noqa: BLE001  # an answer is due; what nobody foresaw is logged, whole
            hides = "outbox.caller" in request.scope and request.scope["outbox.caller"].scope.hides
            return answer(refused(error, hides=hides))

    return answering


def refused(error: Exception, *, hides: bool) -> Refusal:
    """Makes a refusal of any error. What nobody foresaw is logged, and the client is told nothing of it.

    hides: whether the client does not see every record: then it is not told which seqs the log has, either.
    """
    refusal = refusal_of(error)
    if hides and isinstance(error, HistoryLost | InvalidStart | LogReplaced | CursorMismatch):
        assert refusal is not None
        refusal = Refusal(refusal.status, refusal.code, "the log does not hold what comes next here")
    if refusal is None:
        level = logging.WARNING if isinstance(error, PyMongoError) else logging.ERROR
        logger.log(level, "the gateway could not answer a call", exc_info=error)
        refusal = Refusal(500, "internal", "the gateway could not answer; its log output says why")
    return refusal

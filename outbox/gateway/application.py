"""The gateway as an ASGI application: its calls, and what stands before them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from outbox.aio.threads import Threads
from outbox.gateway.answers import Json, Refusal, answer
from outbox.gateway.counts import Counts
from outbox.gateway.delivery.components import Components
from outbox.gateway.delivery.live import Live
from outbox.gateway.delivery.window import MOST_RECORDS
from outbox.gateway.door import Anybody, Callers, Door
from outbox.gateway.http import consumers, messages, openapi, schemas
from outbox.gateway.http.call import Call
from outbox.gateway.http.consumers import ConsumerCalls, caller_of
from outbox.gateway.http.health import HealthCalls
from outbox.gateway.http.live import LiveCalls
from outbox.gateway.http.messages import MessageCalls
from outbox.gateway.http.sockets import SocketCalls
from outbox.gateway.limits import Limits
from outbox.gateway.metrics import Exposition, GatewayCollector
from outbox.gateway.tokens.bearer import Bearer, TokenStore
from outbox.gateway.tokens.file_tokens import FileTokens
from outbox.outbox import Outbox
from outbox.readers.query import History

CALLS = 16
"""Calls of the database at a time, as Outbox.status."""
_CONSUMER = "/v1/consumers/{consumer}"


class Gateway:
    """What one application of an outbox has."""

    def __init__(self, orders: Outbox, tokens: TokenStore | None, limits: Limits, archive: History | None) -> None:
        self._orders = orders
        self._limits = limits
        self._threads = Threads(CALLS, f"outbox-gateway-{orders.name}")
        self._callers: Callers = Anybody() if tokens is None else Bearer(tokens, self._threads)
        self.components = Components(orders, self._threads, limits, archive)
        self._live = Live(orders)
        self._counts = Counts()
        self._exposition = Exposition(orders, GatewayCollector(self._counts, self.components, self._live))
        self._calls = self._made()
        self._schemas = orders.json_schemas()
        self.waits: Callable[[], list[str]] = list
        """Names what works beside it and waits for a server that is away; set by whoever has it work there."""
        self._numbering = ExitStack()
        self._numbers = False

    def application(self) -> Starlette:
        """Makes the ASGI application."""
        made = Starlette(
            routes=[*(call.route for call in self._calls), *self._sockets.routes],
            middleware=[Middleware(Door, callers=self._callers, limits=self._limits, counts=self._counts)],
            exception_handlers={HTTPException: self._no_call},
            lifespan=self._lifespan,
        )
        made.state.gateway = self
        made.router.redirect_slashes = False  # else what is no call would be answered as one, and elsewhere
        return made

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self._number()
        try:
            yield
        finally:
            self.leave()
            await self.components.ended()

    def _number(self) -> None:
        """Sees to it that what is posted gets its number, also while nobody reads, until `leave`."""
        if not self._numbers:
            self._numbering.enter_context(self._orders.running())
            self._numbers = True

    def leave(self) -> None:
        """Ends all streams and waits, telling clients to come back, and accepts no more. For one that ends in a moment.

        On the thread of the event loop.
        """
        self.components.close()
        self._live.close()
        self._numbering.close()

    @property
    def connections(self) -> int:
        """Counts the calls and streams at work."""
        return self._counts.connections

    async def _no_call(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "no_such_call", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
        made = answer(Refusal(error.status_code, code, f"{request.method} here is no call of the gateway"))
        if error.status_code == 405:
            there = {call.method for call in self._calls if call.route.matches(request.scope)[0] is not Match.NONE}
            made.headers["Allow"] = ", ".join(sorted(there))
        return made

    async def _post(self, request: Request) -> Response:
        self.components.check_open()
        self._number()  # by now, where the application is mounted in another, which tells it of no start
        return await self._message.post(request)

    async def _document(self, request: Request) -> Response:
        types = caller_of(request).scope.types
        seen = {type: each for type, each in self._schemas.items() if types is None or type in types}
        has_tokens, root = not isinstance(self._callers, Anybody), request.scope.get("root_path", "")
        return Json(openapi.document(self._calls, seen, tokens=has_tokens, root=root))

    def _made(self) -> list[Call]:
        orders, components = self._orders, self.components
        consumer = ConsumerCalls(orders, components)
        self._message = MessageCalls(orders, components)
        live = LiveCalls(components, self._live, orders.log.head)
        health = HealthCalls(orders, components, self._exposition, lambda: list(self.waits()))
        self._sockets = SocketCalls(consumer, live, self._limits.request_bytes)
        lingers = {"linger_ms": schemas.whole(0, consumers.MOST_LINGER_MS, 0)}
        polls = {
            "after": schemas.SEQ,
            "types": schemas.TYPE_LIST,
            "limit": schemas.whole(1, MOST_RECORDS, 100),
            "wait": schemas.seconds(consumers.MOST_WAIT),
            **lingers,
        }
        resumes = {"Last-Event-ID": schemas.SEQ}
        status = schemas.closed({"status": schemas.TEXT})
        ready = schemas.closed({"status": schemas.TEXT}, waits={"type": "array", "items": schemas.TEXT})
        return [
            Call("PUT", _CONSUMER, "Register a consumer, or set its types; its position stays.", consumer.put,
                 {200: schemas.CONSUMER, 201: schemas.CONSUMER}, (409, 410, 415), body=schemas.REGISTRATION),
            Call("GET", _CONSUMER, "Tell where a consumer is.", consumer.get,
                 {200: schemas.CONSUMER}, (404, 409, 410)),
            Call("DELETE", _CONSUMER, "Forget a consumer: it holds the log no more.", consumer.delete,
                 {204: None}, (404, 409, 410)),
            Call("GET", f"{_CONSUMER}/records", "Give the next records; `after` acknowledges.", consumer.records,
                 {200: schemas.RECORDS}, (404, 409, 410), query=polls),
            Call("GET", f"{_CONSUMER}/stream", "Push the records; Last-Event-ID acknowledges.", consumer.stream,
                 {200: schemas.TEXT}, (404, 409, 410), query=lingers, headers=resumes, media_type="text/event-stream"),
            Call("POST", f"{_CONSUMER}/ack", "Count all up to a seq as delivered.", consumer.acknowledge,
                 {204: None}, (404, 409, 410, 415), body=schemas.ACKNOWLEDGEMENT),
            Call("GET", "/v1/live/records", "Give what has come; what is forgotten is skipped.", live.records,
                 {200: schemas.LIVE_RECORDS}, query=polls),
            Call("GET", "/v1/live/stream", "Push what comes; what a client is too slow for is skipped.", live.stream,
                 {200: schemas.TEXT}, query={"types": schemas.TYPE_LIST, **lingers}, headers=resumes,
                 media_type="text/event-stream"),
            Call("POST", "/v1/messages", "Put a message; with an Idempotency-Key once, for a day.", self._post,
                 {200: schemas.POSTED, 201: schemas.POSTED}, (415, 422), body={},
                 headers={"Idempotency-Key": messages.KEY_SCHEMA}, query={"wait": schemas.seconds(messages.MOST_WAIT)}),
            Call("GET", "/healthz", "Tell that the process works.", health.healthz, {200: status}, is_open=True),
            Call("GET", "/readyz", "Tell whether the database answers.", health.readyz,
                 {200: ready, 503: status}, is_open=True),
            Call("GET", "/metrics", "Give the numbers for Prometheus.", health.metrics, {200: schemas.TEXT},
                 media_type="text/plain"),
            Call("GET", "/openapi.json", "Give this document.", self._document, {200: {"type": "object"}}),
        ]  # fmt: skip


def application(
    orders: Outbox,
    *,
    tokens: str | os.PathLike[str] | TokenStore | None = None,
    limits: Limits | None = None,
    archive: History | None = None,
) -> Starlette:
    """Makes the gateway of an outbox, an ASGI application for one event loop; see docs/gateway.md.

    tokens: who may call: the file of `outbox token`, or StoredTokens for `NAME.tokens`; None for anybody.
    limits: what it takes at most. archive: an outbox.archive.Archive, for what the log has forgotten.

    The database is asked when the application starts, and by its calls. The outbox stays open when it ends. Raises
    OutboxClosed, and InvalidArgument for a file that cannot be read.
    """
    orders.check_usable()
    store = FileTokens(tokens) if isinstance(tokens, str | os.PathLike) else tokens
    if isinstance(store, FileTokens):
        store.load()
    return Gateway(orders, store, Limits() if limits is None else limits, archive).application()

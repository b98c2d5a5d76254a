"""What stands before all calls: who calls, whether they may come in, and how much they may send."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from outbox.gateway.answers import Refusal, answer
from outbox.gateway.counts import Counts
from outbox.gateway.limits import Limits
from outbox.gateway.rate import Rate
from outbox.gateway.scope import ANYBODY, Caller

OPEN = frozenset({"/healthz", "/readyz"})
"""What is answered without a token: it says nothing of the outbox."""
_BEHIND_SECONDS = 1.0


class Callers(Protocol):
    """Knows who calls."""

    async def caller(self, headers: Headers) -> Caller:
        """Returns who calls. Raises Refusal."""

    async def check(self, caller: Caller) -> None:
        """Raises Refusal for a caller that may call no more, or has another scope by now."""


class Anybody:
    """Is Callers where there are no tokens."""

    async def caller(self, headers: Headers) -> Caller:
        """See Callers."""
        return ANYBODY

    async def check(self, caller: Caller) -> None:
        """See Callers."""


class Door:
    """Is an ASGI application around another."""

    def __init__(self, app: ASGIApp, callers: Callers, limits: Limits, counts: Counts) -> None:
        self._app = app
        self._callers = callers
        self._limits = limits
        self._counts = counts
        self._rate = Rate(limits.requests_a_second)
        self._inside: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), path_inside(scope)
        self._counts.begun(path)
        send = self._counted(send)
        try:
            if path in OPEN and scope["type"] == "http":
                await self._app(scope, receive, self._patient(send))
                return
            _check_origin(headers)
            caller = scope["outbox.caller"] = await self._callers.caller(headers)
            scope["outbox.check"] = partial(self._callers.check, caller)
            self._rate.check(caller.name)
            receive = self._bounded(headers, receive) if scope["type"] == "http" else receive
            with self._entered(caller):
                await self._app(scope, receive, self._patient(send))
        except Refusal as refusal:
            response = answer(refusal)
            if scope["type"] == "websocket":
                await WebSocket(scope, receive, send).send_denial_response(response)
            else:
                await response(scope, receive, send)

    @contextmanager
    def _entered(self, caller: Caller) -> Iterator[None]:
        if self._inside.total() >= self._limits.connections:
            raise Refusal(429, "too_many", f"this gateway has {self._limits.connections} connections, its limit")
        if self._inside[caller.name] >= self._limits.connections_of_token:
            raise Refusal(429, "too_many", f"this token has {self._limits.connections_of_token} connections, its limit")
        self._inside[caller.name] += 1
        self._counts.connections = self._inside.total()
        try:
            yield
        finally:
            self._inside[caller.name] -= 1
            self._counts.connections = self._inside.total()

    def _counted(self, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                self._counts.answered(message["status"])
            await send(message)

        return counted

    def _bounded(self, headers: Headers, receive: Receive) -> Receive:
        most, taken = self._limits.request_bytes, 0
        too_large = Refusal(413, "too_large", f"a request has at most {most} bytes")
        length = headers.get("content-length", "0")
        if len(length) > 18 or (length.isdecimal() and int(length) > most):
            raise too_large

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise too_large
            return message

        return bounded

    def _patient(self, send: Send) -> Send:
        """A client that takes nothing for so long holds what others wait for: its connection is closed.

        `outbox serve` has closed it by then: a server that an application leaves unanswered logs that as its fault.
        """

        async def patient(message: Message) -> None:
            async with asyncio.timeout(self._limits.send_seconds + _BEHIND_SECONDS):
                await send(message)

        return patient


def path_inside(scope: Scope) -> str:
    """Returns the path of a call without what the application is mounted under, or a proxy has before it: as routes are
    matched, so that what is let in is what is answered."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if path == root or path.startswith(f"{root}/") else path


def _check_origin(headers: Headers) -> None:
    """Refuses pages of other sites. A browser sends them here with all that a loopback address lets it reach, and for a
    WebSocket asks nobody before."""
    origin = headers.get("origin")
    if origin is not None and _place(origin) != headers.get("host"):
        raise Refusal(403, "forbidden", "a page of another origin cannot call: let its own server stand between")


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # it is no URL, so no browser's
        return None

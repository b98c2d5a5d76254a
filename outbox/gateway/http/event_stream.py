"""Server-Sent Events: a stream of records that a browser's EventSource reads, and resumes by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from outbox.gateway.asked import Gone, while_there
from outbox.gateway.delivery.feeds import Feed, Given
from outbox.gateway.delivery.window import MOST_RECORDS
from outbox.gateway.http.call import refused

Check = Callable[[], Awaitable[None]]

HEARTBEAT_SECONDS = 15.0
STALLED_SECONDS = 1.0
"""So long a stream waits for an acknowledgement of what it has given; then it ends, for the client to come again: its
Last-Event-ID acknowledges."""
RETRY = b"retry: 500\n\n"
"""After so many milliseconds a client comes again."""


class EventStream(Response):
    """Gives what a feed has, until the client goes, or the feed ends; then it closes the connection's things."""

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, things: AsyncExitStack, request: Request) -> None:
        self._feed = feed
        self._check: Check = request.scope["outbox.check"]
        self._hides: bool = request.scope["outbox.caller"].scope.hides
        self._things = things
        self.status_code = 200
        self.background = None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        async with self._things:
            try:
                await while_there(receive, self._sent(send))
            except (Gone, TimeoutError):  # the client has gone, or takes nothing
                return

    async def _sent(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in events(self._feed, self._check, hides=self._hides):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def events(feed: Feed, check: Check, *, hides: bool) -> AsyncIterator[bytes]:
    """Makes the text of the stream. An error ends it, and is its last event.

    check: raises for a client that may be given no more. hides: see outbox.gateway.http.call.refused.
    """
    yield RETRY
    loop = asyncio.get_running_loop()
    while True:
        seconds = STALLED_SECONDS if feed.is_stalled else HEARTBEAT_SECONDS
        try:
            given = await feed.more(MOST_RECORDS, loop.time() + seconds)
            await check()
        except Exception as error:  # noqa: BLE001  # it is told, and what nobody foresaw is logged
            yield _event("end", refused(error, hides=hides).body)
            return
        if given is not None:
            yield _records(given)
        elif feed.is_stalled:
            return
        else:
            yield b": heartbeat\n\n"


def _records(given: Given) -> bytes:
    skipped = b"" if given.skipped == 0 else _event("skipped", {"skipped": given.skipped})
    return skipped + b"".join([each.event for each in given.entries])


def _event(name: str, body: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps(body).encode())

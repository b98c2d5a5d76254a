"""The calls for clients that are not registered: what comes, and how much they have missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from outbox.gateway import asked
from outbox.gateway.answers import Json
from outbox.gateway.delivery.components import Components
from outbox.gateway.delivery.feeds import Given, Lingering, LiveFeed, lingering
from outbox.gateway.delivery.live import Live
from outbox.gateway.delivery.window import MOST_BYTES
from outbox.gateway.http.consumers import Poll, caller_of, linger
from outbox.gateway.http.event_stream import EventStream


class LiveCalls:
    """Answers for what comes."""

    def __init__(self, components: Components, live: Live, newest: Callable[[], int]) -> None:
        """newest: asks for the newest seq of the log."""
        self._newest = newest
        self._components = components
        self._live = live

    async def feed(self, connection: HTTPConnection, after: int | None, given: Mapping[str, str]) -> LiveFeed:
        """Begins where a client is, or with what comes from now on. Raises Refusal."""
        caller = caller_of(connection)
        caller.check("read")
        types = asked.types(given.get("types"))
        self._components.check_open()
        await self._components.call(partial(self._live.begin, asyncio.get_running_loop()))
        if after is not None and after > self._live.head:
            # Another process, which has read further, may have given it.
            newest = await self._components.call(self._newest)
            if after > newest and not caller.scope.hides:
                raise asked.bad(f"seq {after} was never given: it is beyond the newest record")
            after = min(after, newest)  # who sees not all is not to learn where that is
        return LiveFeed(self._live, caller.scope, types, self._live.head if after is None else after)

    async def records(self, request: Request) -> Response:
        """Gives what has come after a seq; without one waits for what comes."""
        poll = Poll.of(request)
        feed = await self.feed(request, poll.after, request.query_params)
        if feed.after + 1 < self._live.oldest:
            given = await self._components.call(partial(feed.look_back, poll.limit))
        else:
            given = feed.take(poll.limit, MOST_BYTES)
        if (not given.entries and given.skipped == 0 and poll.wait) or poll.linger:
            given = await asked.while_there(request.receive, self._more(feed, poll, given))
        return self._answer(given, poll, hides=caller_of(request).scope.hides)

    @staticmethod
    async def _more(feed: LiveFeed, poll: Poll, given: Given) -> Given:
        if not given.entries and given.skipped == 0:
            given = await feed.more(poll.limit, asyncio.get_running_loop().time() + poll.wait) or given
        return await Lingering(feed, poll.linger).with_more(given, poll.limit) if poll.linger else given

    def _answer(self, given: Given, poll: Poll, *, hides: bool) -> Response:
        records = b",".join(entry.json for entry in given.entries)
        skipped = b"null" if given.skipped is None else b"%d" % given.skipped
        next_, head, oldest = b"%d" % given.next, b"%d" % max(self._live.head, given.next), b"%d" % self._live.oldest
        if hides:  # what lies between two records of the scope is not to be counted; without a record there is no place
            place = given.entries[-1].seq if given.entries else poll.after
            next_ = head = b"null" if place is None else b"%d" % place
            oldest = b"null"
        ends = b'"next":%b,"head":%b,"oldest":%b,"skipped":%b' % (next_, head, oldest, skipped)
        return Json(b'{"records":[%b],%b}' % (records, ends), headers={"Cache-Control": "no-store"})

    async def stream(self, request: Request) -> Response:
        """Gives what comes as Server-Sent Events."""
        asked.only(request.query_params, "types", "linger_ms")
        seconds = linger(request.query_params)
        after = asked.seq_text(request.headers.get("last-event-id") or None, "Last-Event-ID")
        feed = await self.feed(request, after, request.query_params)
        return EventStream(lingering(feed, seconds), AsyncExitStack(), request)

"""The calls for a registered consumer: registering, polling, acknowledging."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from outbox.gateway import asked
from outbox.gateway.answers import Json
from outbox.gateway.delivery.components import Component, Components
from outbox.gateway.delivery.feeds import RegisteredFeed, lingering
from outbox.gateway.delivery.running import Running
from outbox.gateway.delivery.window import MOST_RECORDS, Portion, Window
from outbox.gateway.http.event_stream import EventStream
from outbox.gateway.scope import Caller, Scope
from outbox.outbox import Outbox

MOST_WAIT = 30.0
"""Seconds that a poll waits at most."""
MOST_LINGER_MS = 10_000
CATCH_UP_SECONDS = 5.0
"""So long a poll waits for what the log has already; then it answers with what there is."""


@dataclass(frozen=True)
class Poll:
    """What a poll asks for."""

    after: int | None
    types: frozenset[str] | None
    limit: int
    wait: float
    linger: float
    """Seconds that it waits for more, once there is something."""

    @classmethod
    def of(cls, request: Request) -> Poll:
        """Reads it. Raises Refusal."""
        given = request.query_params
        asked.only(given, "after", "types", "limit", "wait", "linger_ms")
        return cls(
            asked.seq_text(given.get("after"), "after"),
            asked.types(given.get("types")),
            asked.whole(given.get("limit"), "limit", 100, 1, MOST_RECORDS),
            asked.seconds(given.get("wait"), "wait", MOST_WAIT),
            linger(given),
        )


def linger(given: Mapping[str, str]) -> float:
    """Reads how long more is waited for, in seconds. Raises Refusal."""
    return asked.whole(given.get("linger_ms"), "linger_ms", 0, 0, MOST_LINGER_MS) / 1000


def caller_of(connection: HTTPConnection) -> Caller:
    """Returns who calls, as the gateway has found out."""
    caller: Caller = connection.scope["outbox.caller"]
    return caller


class ConsumerCalls:
    """Answers for registered consumers."""

    def __init__(self, orders: Outbox, components: Components) -> None:
        self._orders = orders
        self.components = components

    def component(self, connection: HTTPConnection) -> Component:
        """Returns the consumer that is named. Raises Refusal."""
        caller = caller_of(connection)
        caller.check("read")
        return Component(caller, connection.path_params["consumer"])

    async def put(self, request: Request) -> Response:
        """Registers a consumer, or sets its types."""
        component = self.component(request)
        asked.only(request.query_params)
        body = await asked.document(request)
        asked.only(body, "start", "types")
        start, types = asked.start(body.get("start")), asked.listed_types(body.get("types"))
        if component.caller.scope.hides and isinstance(start, int):  # whether there is one would count what is hidden
            raise asked.bad("start: 'earliest', 'latest' or a date, for this token does not see every record")
        is_new = await self.components.register(component, start, types)
        return Json(await self._shown(component), 201 if is_new else 200)

    async def get(self, request: Request) -> Response:
        """Tells where a consumer is."""
        component = self.component(request)
        asked.only(request.query_params)
        return Json(await self._shown(component))

    async def _shown(self, component: Component) -> dict[str, object]:
        stored = await self.components.registered(component)
        running = self.components.running(component)
        shown: dict[str, object] = {
            "consumer": component.component,
            "types": None if stored.types is None else sorted(stored.types),
            "paused": stored.is_paused,
        }
        if component.caller.scope.hides:  # the numbers in between count what is hidden
            position = 0 if running is None else running.window.said
            return {**shown, "position": position or None, "head": None, "lag": None, "headroom": None}
        position = max(stored.position, 0 if running is None else running.window.position)
        status = await self.components.call(self._orders.status)
        room = next((each for each in status.cursors if each.reader == component.id), None)
        head = max(status.head, position)
        lag, headroom = head - position, None if room is None or room.headroom is None else room.headroom.bytes
        return {**shown, "position": position, "head": head, "lag": lag, "headroom": headroom}

    async def delete(self, request: Request) -> Response:
        """Forgets a consumer."""
        component = self.component(request)
        asked.only(request.query_params)
        await self.components.registered(component)
        await self.components.forget(component)
        return Response(status_code=204)

    async def acknowledge(self, request: Request) -> Response:
        """Counts all up to a seq as delivered."""
        component = self.component(request)
        body = await asked.document(request)
        asked.only(body, "seq")
        seq = asked.seq(body.get("seq"), "seq")
        if (running := self.components.running(component)) is not None:
            await self.acknowledge_up_to(running, seq, component.caller.scope)
        else:
            async with self.components.connected(component) as running:
                await self.acknowledge_up_to(running, seq, component.caller.scope)
        return Response(status_code=204)

    async def acknowledge_up_to(self, running: Running, seq: int, scope: Scope) -> None:
        """Counts all up to a seq as delivered. Raises Refusal for one that the log has not yet."""
        window = running.window
        if scope.hides:
            await self._acknowledge_seen(window, seq, scope)
        else:
            if seq > max(window.read_to, window.position):
                head = await self.components.call(self._orders.log.head)
                if seq > head:
                    raise asked.bad(f"seq {seq} was never given: it is beyond the newest record")
            window.acknowledge(seq)
        running.wake()

    async def _acknowledge_seen(self, window: Window, seq: int, scope: Scope) -> None:
        """Does it for who does not see every record, and may learn nothing of the others from what is done.

        A seq that is no record of the scope was never given. It may be hidden, or beyond the log's end: which of them
        is not to be told apart, so what the client is about to get up to there counts, and nothing else.
        """
        record = await self.components.call(partial(self._orders.log.record_at, seq))
        if record is not None and scope.sees(record):
            window.acknowledge(seq)
        else:
            window.acknowledge_held(seq)

    async def stream(self, request: Request) -> Response:
        """Gives records as Server-Sent Events; Last-Event-ID acknowledges."""
        component = self.component(request)
        asked.only(request.query_params, "linger_ms")
        seconds = linger(request.query_params)
        after = asked.seq_text(request.headers.get("last-event-id") or None, "Last-Event-ID")
        async with AsyncExitStack() as things:
            running = await things.enter_async_context(self.components.connected(component))
            if after is not None:
                await self.acknowledge_up_to(running, after, component.caller.scope)
            feed = lingering(RegisteredFeed(running, component.caller.scope), seconds)
            return EventStream(feed, things.pop_all(), request)

    async def records(self, request: Request) -> Response:
        """Gives the next records; `after` acknowledges."""
        component, poll = self.component(request), Poll.of(request)
        async with self.components.connected(component) as running:
            if poll.after is not None:
                await self.acknowledge_up_to(running, poll.after, component.caller.scope)
            head, oldest = await self.components.call(self._ends)
            portion = await asked.while_there(request.receive, _portion(running, poll, head, self.components))
            head = max(head, running.window.read_to, running.window.position)
            return _answer(portion, running, head, oldest, hides=component.caller.scope.hides)

    def _ends(self) -> tuple[int, int]:
        return self._orders.log.head(), self._orders.log.oldest()


async def _portion(running: Running, poll: Poll, head: int, components: Components) -> Portion:
    """Waits for records as long as the poll says; first, and shortly, for those that the log has already."""
    loop, window = asyncio.get_running_loop(), running.window
    due, caught_up = loop.time() + poll.wait, loop.time() + CATCH_UP_SECONDS
    is_lingering = False
    while True:
        if not components.is_closing:
            running.check()
        portion = window.take(window.position, poll.types, poll.limit)
        if portion.passed > window.position and poll.types is not None:
            window.pass_over(portion.passed)  # what a filter passes over counts as delivered
        now = loop.time()
        is_there = max(window.read_to, window.position) >= head or now >= caught_up or running.is_paused
        if is_there and portion.entries and not is_lingering:
            is_lingering, due = True, now + poll.linger
        if portion.is_full or components.is_closing or (is_there and now >= due):
            return portion
        await running.changed(due if is_there else caught_up)


def _answer(portion: Portion, running: Running, head: int, oldest: int, *, hides: bool) -> Response:
    next_, ends = portion.next, b'"head":%d,"oldest":%d' % (head, oldest)
    if hides:  # what lies between two records of the scope, and behind the last, is not to be counted
        next_ = portion.entries[-1].seq if portion.entries else running.window.said
        ends = b'"head":%d,"oldest":null' % max(next_, running.window.newest)
    records = b",".join(entry.json for entry in portion.entries)
    return Json(b'{"records":[%b],"next":%d,%b}' % (records, next_, ends), headers={"Cache-Control": "no-store"})

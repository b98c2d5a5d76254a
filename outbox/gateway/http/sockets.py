"""WebSockets: records are pushed as far as the client gives credits, and acknowledged on the same connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from outbox.gateway import asked
from outbox.gateway.answers import Refusal, answer
from outbox.gateway.delivery.feeds import Feed, Given, RegisteredFeed, lingering
from outbox.gateway.delivery.window import MOST_RECORDS
from outbox.gateway.http.call import refused
from outbox.gateway.http.consumers import ConsumerCalls, caller_of, linger
from outbox.gateway.http.live import LiveCalls

_WAKE_SECONDS = 15.0
"""So often it is looked whether the client may still be given anything."""
_POLICY, _RESTART = 1008, 1012


class SocketCalls:
    """Answers for WebSockets."""

    def __init__(self, consumers: ConsumerCalls, live: LiveCalls, most_bytes: int) -> None:
        """most_bytes: of a message of the client."""
        self._consumers = consumers
        self._live = live
        self._most_bytes = most_bytes

    @property
    def routes(self) -> list[WebSocketRoute]:
        """Their routes."""
        return [
            WebSocketRoute("/v1/live/ws", self.live),
            WebSocketRoute("/v1/consumers/{consumer}/ws", self.registered),
            WebSocketRoute("/{path:path}", self.none),
        ]

    async def none(self, socket: WebSocket) -> None:
        """Refuses what is none: Starlette would say 403, and nothing else."""
        await _deny(socket, Refusal(404, "no_such_call", "there is no WebSocket of the gateway here"))

    async def registered(self, socket: WebSocket) -> None:
        """Gives a registered consumer its records."""
        async with AsyncExitStack() as things:
            try:
                asked.only(socket.query_params, "linger_ms")
                seconds = linger(socket.query_params)
                component = self._consumers.component(socket)
                running = await things.enter_async_context(self._consumers.components.connected(component))
            except Exception as error:  # noqa: BLE001  # it is answered
                await _deny(socket, error)
                return
            feed = lingering(RegisteredFeed(running, component.caller.scope), seconds)

            async def acknowledge(seq: int) -> None:
                await self._consumers.acknowledge_up_to(running, seq, component.caller.scope)

            await _Socket(socket, feed, self._most_bytes, acknowledge).serve()

    async def live(self, socket: WebSocket) -> None:
        """Gives what comes."""
        try:
            asked.only(socket.query_params, "types", "linger_ms")
            seconds = linger(socket.query_params)
            feed = lingering(await self._live.feed(socket, None, socket.query_params), seconds)
        except Exception as error:  # noqa: BLE001  # it is answered
            await _deny(socket, error)
            return

        async def acknowledge(seq: int) -> None:
            feed.acknowledge(seq)

        await _Socket(socket, feed, self._most_bytes, acknowledge).serve()


async def _deny(socket: WebSocket, error: Exception) -> None:
    response: Response = answer(refused(error, hides=caller_of(socket).scope.hides))
    await socket.send_denial_response(response)


class _Socket:
    """One WebSocket: what its client says, and what is sent to it."""

    def __init__(
        self, socket: WebSocket, feed: Feed, most_bytes: int, acknowledge: Callable[[int], Awaitable[None]]
    ) -> None:
        self._socket = socket
        self._feed = feed
        self._most_bytes = most_bytes
        self._acknowledge = acknowledge
        self._check: Callable[[], Awaitable[None]] = socket.scope["outbox.check"]
        self._hides = caller_of(socket).scope.hides
        self._credits = 0
        self._in_flight: deque[int] = deque()
        self._batches = 0
        self._heard = asyncio.Event()

    async def serve(self) -> None:
        """Serves until the client goes, or something ends it."""
        await self._socket.accept()
        tasks = [asyncio.ensure_future(self._hear()), asyncio.ensure_future(self._push())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        except (WebSocketDisconnect, TimeoutError):  # the client has gone, or takes nothing
            pass
        except Exception as error:  # noqa: BLE001  # it is told, and what nobody foresaw is logged
            await self._end(refused(error, hides=self._hides))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self, refusal: Refusal) -> None:
        try:
            await self._socket.send_json(refusal.body)
            await self._socket.close(_RESTART if refusal.status == 503 else _POLICY, refusal.code)
        except (WebSocketDisconnect, RuntimeError, TimeoutError):  # it has gone meanwhile
            return

    async def _hear(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            said = message.get("text") or message.get("bytes") or ""
            if len(said) > self._most_bytes:
                raise Refusal(413, "too_large", f"a message has at most {self._most_bytes} bytes")
            body = asked.parsed(said)
            asked.only(body, "credits", "ack")
            if "credits" in body:
                self._credits = min(asked.count(body["credits"], "credits"), MOST_RECORDS)
            if "ack" in body:
                await self._acknowledge(asked.seq(body["ack"], "ack"))
            self._heard.set()

    async def _push(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._in_flight and self._in_flight[0] <= self._feed.position:
                self._in_flight.popleft()
            free = self._credits - len(self._in_flight)
            if free <= 0:
                await self._said(loop.time() + _WAKE_SECONDS)
                continue
            given = await self._feed.more(free, loop.time() + _WAKE_SECONDS)
            await self._check()
            if given is not None:
                await self._send(given)

    async def _said(self, until: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._heard.wait()
        self._heard.clear()
        await self._check()

    async def _send(self, given: Given) -> None:
        if given.skipped != 0:
            await self._socket.send_json({"skipped": given.skipped})
        if given.entries:
            self._batches += 1
            self._in_flight.extend(entry.seq for entry in given.entries)
            records = b",".join(entry.json for entry in given.entries)
            text = b'{"batch":%d,"records":[%b],"next":%d}' % (self._batches, records, given.next)
            await self._socket.send_text(text.decode())

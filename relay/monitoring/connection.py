"""One connection of HTTP/1.1, by h11: requests become calls of an ASGI application, and none is waited for for ever.

In place of uvicorn, whose import took more memory than all that it served: its command line, and what starts processes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import h11

logger = logging.getLogger("relay")

HEAD_SECONDS = 10.0
"""So long a client may take to send the head of its first request, and each further part of it."""
SEND_SECONDS = 60.0
"""So long it may take nothing of what is sent to it: who watches the page takes a place of others."""
_IDLE_SECONDS = 5.0
_READ_BYTES = 64 << 10
_LARGEST_UNREAD = 1 << 20

Message = MutableMapping[str, Any]
Serve = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
"""An ASGI application."""


class ClientGone(OSError):
    """The client takes nothing any more. What sends learns it by this, as ASGI has it."""


class HttpConnection:
    """Serves what comes on one connection. is_full: whether too many others are served."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app: Serve, is_full: Callable[[], bool]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._app = app
        self._is_full = is_full
        self._http = h11.Connection(h11.SERVER)
        writer.transport.set_write_buffer_limits(0)  # else what is less than 64 KiB waits for a client unnoticed
        self._is_gone = False
        self.is_answering = False
        """Whether a request is being answered; else it waits for one."""

    async def serve(self) -> None:
        """Answers requests until either side ends it."""
        try:
            seconds = HEAD_SECONDS
            while isinstance(request := await self._event(seconds), h11.Request):
                self.is_answering = True
                await self._answer(request)
                await self._read_rest()
                if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                    return
                self._http.start_next_cycle()
                self.is_answering, seconds = False, _IDLE_SECONDS
        except h11.RemoteProtocolError as error:
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                await self._say(error.error_status_hint, str(error))
        except (TimeoutError, ConnectionError, ClientGone):
            pass  # nobody is there to be told

    async def _answer(self, request: h11.Request) -> None:
        if self._is_full():
            await self._say(503, "too many connections")
            return
        try:
            await self._app(self._scope(request), self._receive, _Sender(self, request.method == b"HEAD").send)
        except Exception as error:
            if self._is_gone:
                return
            if isinstance(error, h11.RemoteProtocolError):
                raise
            logger.exception("a request of %s failed", request.target.decode("ascii"))
        if self._http.our_state is h11.SEND_RESPONSE:
            await self._say(500, "it failed; the log output says how")

    def _scope(self, request: h11.Request) -> Message:
        path, _, query = request.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},  # 2.4: sending to a client that is gone raises OSError
            "http_version": request.http_version.decode("ascii"),
            "method": request.method.decode("ascii"),
            "scheme": "http",
            "root_path": "",
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "headers": [(name.lower(), value) for name, value in request.headers],
            "client": self._writer.get_extra_info("peername")[:2],
            "server": self._writer.get_extra_info("sockname")[:2],
        }

    async def _receive(self) -> Message:
        if self._http.their_state is not h11.SEND_BODY:
            await self._writer.wait_closed()
            return {"type": "http.disconnect"}
        try:
            event = await self._event(HEAD_SECONDS)
        except (TimeoutError, ConnectionError):
            self._leave()
            return {"type": "http.disconnect"}
        if isinstance(event, h11.Data):
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        if isinstance(event, h11.EndOfMessage):
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.disconnect"}

    async def _event(self, seconds: float) -> object:
        """The next thing that the client sends. Raises TimeoutError when it takes longer than that."""
        async with asyncio.timeout(seconds):
            while (event := self._http.next_event()) is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self.send(h11.InformationalResponse(status_code=100, headers=[]))
                self._http.receive_data(await self._reader.read(_READ_BYTES))
        return event

    async def _read_rest(self) -> None:
        """Reads what the application did not: an answer would be lost when a connection with unread bytes is closed."""
        read = 0
        while self._http.their_state is h11.SEND_BODY and read < _LARGEST_UNREAD:
            event = await self._event(HEAD_SECONDS)
            read += len(event.data) if isinstance(event, h11.Data) else 0

    async def _say(self, code: int, why: str) -> None:
        text = f"{why}\n".encode()
        headers = [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(text)))]
        await self.send(
            h11.Response(status_code=code, reason=_reason(code), headers=[*headers, ("connection", "close")])
        )
        await self.send(h11.Data(data=text), h11.EndOfMessage())

    async def send(self, *events: h11.Event) -> None:
        """Sends to the client. Raises ClientGone when it is gone, or takes nothing for a minute."""
        try:
            self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
            async with asyncio.timeout(SEND_SECONDS):
                await self._writer.drain()
        except (TimeoutError, ConnectionError) as error:
            self._leave()
            raise ClientGone("the client is gone, or takes nothing") from error

    def _leave(self) -> None:
        self._is_gone = True
        self._writer.transport.abort()  # a close would wait for the client, too


class _Sender:
    """Sends what an application answers."""

    def __init__(self, connection: HttpConnection, is_head: bool) -> None:
        self._connection = connection
        self._is_head = is_head

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            code, headers = message["status"], [*message["headers"], (b"date", formatdate(usegmt=True).encode())]
            await self._connection.send(h11.Response(status_code=code, reason=_reason(code), headers=headers))
            return
        body = b"" if self._is_head else message.get("body", b"")
        events: list[h11.Event] = [h11.Data(data=body)] if body else []
        await self._connection.send(*events, *([] if message.get("more_body") else [h11.EndOfMessage()]))


def _reason(code: int) -> bytes:
    return HTTPStatus(code).phrase.encode()

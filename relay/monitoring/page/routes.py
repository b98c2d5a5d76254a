"""Answers what the page asks for: itself, its files, the stream of what is seen, records, letters and acts."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from pymongo.errors import PyMongoError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from outbox.acts.log import ActLog
from outbox.dead_letters.admin import Selection
from outbox.errors import InvalidArgument, InvalidName, InvalidSelector, OutboxError, UnknownReader
from outbox.location import message_id
from outbox.mongo.collections import HIGHEST_SEQ, Collections
from outbox.mongo.server_errors import is_unauthorized, short_message
from relay.monitoring.page import records
from relay.monitoring.page.acting import act
from relay.monitoring.page.guard import HEADERS, Guard, Refused
from relay.monitoring.page.letters import letter, letters
from relay.monitoring.page.watch import Watch
from relay.monitoring.page.watched import WatchedOutbox

RANGES = {"15m": 900.0, "1h": 3600.0, "24h": 86_400.0}
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_LARGEST_BODY = 256 << 10
_ASKED_WRONGLY = (InvalidArgument, InvalidSelector, InvalidName, UnknownReader)

Answering = Callable[[Request], Coroutine[Any, Any, Response]]


class Page:
    """Makes the routes of the page of what is watched. It is entered and left by who serves it: see Watch."""

    def __init__(self, watch: Watch, guard: Guard) -> None:
        self._watch = watch
        self._guard = guard

    def routes(self) -> list[Route]:
        """Returns the routes. Every answer has the headers of the guard."""
        shown: dict[str, Callable[[Request], Response]] = {
            "/": self._shell, "/page/static/{name}": self._file, "/page/history": self._history,
            "/page/records": self._records, "/page/record": self._record, "/page/letters": self._letters,
            "/page/letter": self._letter, "/page/acts": self._acts,
        }  # fmt: skip
        return [
            *(Route(path, self._guarded(_on_a_thread(each))) for path, each in shown.items()),
            Route("/page/events", self._guarded(self._events)),
            Route("/page/acts", self._guarded(self._act), methods=["POST"]),
        ]

    def _guarded(self, answering: Answering) -> Answering:
        async def guarded(request: Request) -> Response:
            response = await self._answer(answering, request)
            response.headers.update(HEADERS)
            return response

        return guarded

    async def _answer(self, answering: Answering, request: Request) -> Response:
        try:
            self._guard.check_host(request)
            return await answering(request)
        except Refused as refused:
            return _error(refused.code, refused.error, str(refused))
        except _ASKED_WRONGLY as wrong:
            return _error(400, "asked_wrongly", str(wrong))
        except (PyMongoError, OutboxError) as error:
            is_forbidden = isinstance(error, PyMongoError) and is_unauthorized(error)
            return _error(503, "no_privilege" if is_forbidden else "no_answer", short_message(error))

    def _shell(self, request: Request) -> Response:
        response = Response(media_type="text/html")
        outboxes = list(self._watch.outboxes)
        text = _template().substitute(  # in place of Jinja2, whose import takes 4 MiB
            title=escape(", ".join(outboxes)),
            csrf=escape(self._guard.session(request, response)),
            can_act="yes" if self._guard.can_act else "no",
            chooser=_chooser(outboxes),
        )
        response.body = text.encode()
        response.headers["content-length"] = str(len(response.body))
        return response

    def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = next((each for each in _folder().iterdir() if each.name == name), None)
        kind = _KINDS.get(name[name.rfind(".") :])
        if found is None or kind is None:
            raise Refused(404, "not_found", f"the page has no file {name!r:.100}")
        return Response(found.read_bytes(), media_type=kind)

    async def _events(self, _: Request) -> Response:
        return StreamingResponse(events(self._watch), media_type="text/event-stream")

    def _history(self, request: Request) -> Response:
        asked = request.query_params.get("range", "15m")
        if asked not in RANGES:
            raise InvalidArgument(f"range={asked!r:.50}: give one of {', '.join(RANGES)}")
        now = time.time()
        return JSONResponse(self._outbox(request).columns(now - RANGES[asked], now))

    def _records(self, request: Request) -> Response:
        asked = request.query_params
        wanted = records.Wanted(asked.get("key"), asked.get("type"), _number(asked.get("before"), HIGHEST_SEQ))
        shows = self._guard.shows_messages(request)
        found = records.newest(self._collections(request), wanted, with_data=shows)
        return JSONResponse({**found, "hidden": not shows})

    def _record(self, request: Request) -> Response:
        asked = request.query_params
        id = message_id(asked["id"]) if "id" in asked else None
        seq = _number(asked.get("seq"), 0) or None
        shows = self._guard.shows_messages(request)
        return JSONResponse({**records.one(self._collections(request), id, seq, with_data=shows), "hidden": not shows})

    def _letters(self, request: Request) -> Response:
        asked = request.query_params
        id = asked.get("id")
        selection = Selection(None if id is None else message_id(id), asked.get("key"), asked.get("type"))
        state = asked.get("state")
        if state not in (None, "dead", "parked"):
            raise InvalidArgument(f"state={state!r:.50}: give dead or parked, or neither")
        found = letters(self._collections(request), _reader(request), selection, state, asked.get("after"))  # type: ignore[arg-type]  # checked just now
        return JSONResponse(found)

    def _letter(self, request: Request) -> Response:
        id, shows = message_id(request.query_params.get("id")), self._guard.shows_messages(request)
        found = letter(self._collections(request), _reader(request), id, with_data=shows)
        if found is None:
            raise Refused(404, "not_found", "there is no such letter any more")
        return JSONResponse({"letter": found, "hidden": not shows})

    def _acts(self, request: Request) -> Response:
        return JSONResponse({"acts": ActLog(self._collections(request)).newest(100)})

    async def _act(self, request: Request) -> Response:
        self._guard.check_act(request)
        asked = await _body(request)
        address = "nowhere" if request.client is None else request.client.host
        return JSONResponse(await asyncio.to_thread(act, self._collections(request), asked, address))

    def _collections(self, request: Request) -> Collections:
        return self._outbox(request).collections

    def _outbox(self, request: Request) -> WatchedOutbox:
        name = request.query_params.get("outbox") or next(iter(self._watch.outboxes), "")
        if name not in self._watch.outboxes:
            raise Refused(404, "not_found", f"this process has no outbox {name!r:.200}")
        return self._watch.outboxes[name]


def _on_a_thread(endpoint: Callable[[Request], Response]) -> Answering:
    async def answering(request: Request) -> Response:
        return await asyncio.to_thread(endpoint, request)

    return answering


async def events(watch: Watch) -> AsyncIterator[str]:
    """Makes the stream of what is seen: an event after each look, whole each time, until the watch is over.

    Who is slow gets what was seen last, and nothing waits for it.
    """
    loop, looked = asyncio.get_running_loop(), asyncio.Event()
    with watch.viewed(lambda: loop.call_soon_threadsafe(looked.set)) as viewer:
        yield "retry: 2000\n\n"
        number, _ = watch.told  # may be old: the next is about to come
        while not (watch.is_over or viewer.must_go):
            now, told = watch.told
            if now != number:
                number = now
                yield f"event: seen\ndata: {told}\n\n"
            await looked.wait()
            looked.clear()
        if viewer.must_go:
            yield 'retry: 30000\nevent: full\ndata: "too many watch this page"\n\n'


async def _body(request: Request) -> Any:
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST_BODY:
                raise Refused(413, "too_large", f"an act has {_LARGEST_BODY:,} bytes at most")
        return json.loads(body)
    except (ValueError, RecursionError, ClientDisconnect):
        raise Refused(400, "not_json", "the body is no JSON") from None


def _reader(request: Request) -> str:
    reader = request.query_params.get("reader")
    if not reader:
        raise InvalidArgument("reader: say whose letters, such as relay:kafka")
    return reader


def _number(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    if not text.isdecimal() or len(text) > 19 or int(text) > HIGHEST_SEQ:
        raise InvalidArgument(f"{text!r:.50} is no seq")
    return int(text)


def _error(code: int, error: str, detail: str) -> Response:
    return JSONResponse({"error": error, "detail": detail}, code)


def _folder() -> Any:
    return files(__package__) / "static"


@functools.cache
def _template() -> Template:
    return Template((files(__package__) / "templates" / "page.html").read_text("utf-8"))


def _chooser(outboxes: Sequence[str]) -> str:
    """HTML that shows the outbox, or lets one be chosen."""
    names = [escape(name) for name in outboxes]
    if len(names) > 1:
        options = "".join(f"<option>{name}</option>" for name in names)
        return f'<label class="unseen" for="outbox">Outbox</label>\n<select id="outbox">{options}</select>'
    return f'<span id="outbox" data-value="{"".join(names)}">{"".join(names) or "no outbox"}</span>'

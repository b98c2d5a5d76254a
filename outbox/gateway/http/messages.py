"""The call that puts a message."""

from __future__ import annotations

import asyncio
import re
from functools import partial

from bson import ObjectId
from starlette.requests import Request
from starlette.responses import Response

from outbox.gateway import asked
from outbox.gateway.answers import Json, Refusal
from outbox.gateway.delivery.components import Components
from outbox.gateway.http.consumers import caller_of
from outbox.gateway.posting.posts import Once, Post, Posts
from outbox.gateway.scope import Caller, Scope
from outbox.outbox import Outbox

MOST_WAIT = 30.0
"""Seconds that a post waits for its number at most."""
_LOOK_SECONDS = 0.05
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEY_SCHEMA: dict[str, object] = {"type": "string", "pattern": "^[!-~]{1,255}$"}
"""The JSON Schema of an Idempotency-Key."""


class MessageCalls:
    """Answers for messages."""

    def __init__(self, orders: Outbox, components: Components) -> None:
        self._orders = orders
        self._components = components
        self._posts = Posts(orders)

    async def post(self, request: Request) -> Response:
        """Puts a message; with an Idempotency-Key once, for a day."""
        caller = caller_of(request)
        caller.check("post")
        asked.only(request.query_params, "wait")
        wait = asked.seconds(request.query_params.get("wait"), "wait", MOST_WAIT)
        post = _post(await asked.document(request))
        once = _once(request, caller)
        if caller.scope.types is not None and post.type not in caller.scope.types:
            raise _forbidden()  # whether there is such a type or not
        since = await self._components.call(self._orders.log.head) if wait else 0
        put = partial(self._put, post, once, caller.scope)
        # Without a key it is not tried again: a put whose answer was lost may stand.
        id, is_new = await (self._components.call(put) if once else self._components.call_once(put))
        answer: dict[str, object] = {"id": str(id)}
        if wait:
            answer["seq"] = await self._seq(id, since if is_new else 0, wait)
        return Json(answer, 201 if is_new else 200)

    def _put(self, post: Post, once: Once | None, scope: Scope) -> tuple[ObjectId, bool]:
        """Puts a message, on a thread: to make one of a large post takes a while. Raises as Posts.put."""
        made = self._posts.made(post)
        if scope.hides and not scope.has(post.type, made.key, post.headers):
            raise _forbidden()
        return self._posts.put(made, once)

    async def _seq(self, id: ObjectId, since: int, wait: float) -> int | None:
        """Waits for the message's number, so many seconds; None when it has none by then."""
        until = asyncio.get_running_loop().time() + wait
        while True:
            seq = await self._components.call(partial(self._posts.seq, id, since))
            if seq is not None or asyncio.get_running_loop().time() >= until or self._components.is_closing:
                return seq
            await asyncio.sleep(_LOOK_SECONDS)


def _post(body: dict[str, object]) -> Post:
    asked.only(body, "type", "key", "headers", "data")
    type, key, headers = body.get("type"), body.get("key"), body.get("headers", {})
    if not isinstance(type, str):
        raise asked.bad("type: the message's type, such as 'order.placed'")
    if key is not None and not isinstance(key, str):
        raise asked.bad("key: a text, or null")
    if not isinstance(headers, dict):
        raise asked.bad("headers: an object of texts")
    if "data" not in body or not isinstance(data := body["data"], dict | None):
        raise asked.bad("data: the message, an object")
    return Post(type, key, headers, data)


def _forbidden() -> Refusal:
    return Refusal(403, "forbidden", "this message is outside the token's scope: its type, key or headers")


def _once(request: Request, caller: Caller) -> Once | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise asked.bad("Idempotency-Key: one, of 1 to 255 visible characters of ASCII")
    return Once(caller.name, keys[0])

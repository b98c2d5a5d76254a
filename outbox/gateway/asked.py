"""What a client asks for: parameters and bodies, checked; each refusal says what to give instead."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.types import Receive

from outbox.errors import InvalidStart
from outbox.gateway.answers import Refusal
from outbox.messages.declaration import TYPE_NAME
from outbox.mongo.collections import HIGHEST_SEQ
from outbox.readers import start as starts
from outbox.readers.start import Start

T = TypeVar("T")

MOST_TYPES = 1000


class Gone(Exception):
    """The client has closed the connection. Never leaves this package."""


def bad(detail: str) -> Refusal:
    """Makes the refusal of what cannot be understood."""
    return Refusal(400, "bad_request", detail)


def only(given: Mapping[str, Any], *names: str) -> None:
    """Refuses what no call of this name has: a misspelt parameter would do nothing, silently."""
    for name in given:
        if name not in names:
            raise bad(f"there is no {name!r:.100} here: {', '.join(names) or 'nothing'} can be given")


def whole(text: str | None, name: str, default: int, least: int, most: int) -> int:
    """Reads a whole number. Raises Refusal."""
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and least <= int(text) <= most):
        raise bad(f"{name}={text!r:.40}: a whole number from {least} to {most}")
    return int(text)


def seconds(text: str | None, name: str, most: float) -> float:
    """Reads seconds. Raises Refusal."""
    if text is None:
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:  # NaN is not
        raise bad(f"{name}={text!r:.40}: seconds, from 0 to {most:g}")
    return value


def seq(value: object, name: str) -> int:
    """Checks a seq of a body. Raises Refusal."""
    if (seq := count(value, name)) > HIGHEST_SEQ:
        raise bad(f"{name}={value!r:.40}: a seq is at most {HIGHEST_SEQ}")
    return seq


def count(value: object, name: str) -> int:
    """Checks a whole number of a body. Raises Refusal."""
    if isinstance(value, float) and value.is_integer():  # a whole number to JSON
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise bad(f"{name}={value!r:.40}: a whole number from 0")
    return value


def seq_text(text: str | None, name: str) -> int | None:
    """Reads a seq; None when none is given. Raises Refusal."""
    return None if text is None else whole(text, name, 0, 0, HIGHEST_SEQ)


def listed_types(given: object) -> frozenset[str] | None:
    """Reads a list of type names; None for all. Raises Refusal."""
    return types([] if isinstance(given, str) else given)


def types(given: object) -> frozenset[str] | None:
    """Reads a list of type names, or names with commas between them; None for all. Raises Refusal."""
    if given is None:
        return None
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_TYPES:
        raise bad(f"types: a list of 1 to {MOST_TYPES} type names; leave it out for all")
    for name in names:
        if not isinstance(name, str) or not TYPE_NAME.fullmatch(name):
            raise bad(f"types: {name!r:.100} can be no message's type")
    return frozenset(names)


def start(given: object) -> Start:
    """Reads where a consumer begins. Raises Refusal."""
    if given is None:
        return "earliest"
    if isinstance(given, float) and given.is_integer():  # a whole number to JSON
        given = int(given)
    with contextlib.suppress(ValueError, InvalidStart, OverflowError):
        if isinstance(given, str):
            return _in_range(starts.read(given, starts.WORDS))
        if isinstance(given, int) and not isinstance(given, bool):
            return _in_range(given)
    raise bad(f"start={given!r:.40}: 'earliest', 'latest', a seq, or a date such as 2025-01-31T12:00:00Z")


def _in_range(start: Start) -> Start:
    if isinstance(start, int) and not 1 <= start <= HIGHEST_SEQ:
        raise ValueError(start)
    return start


async def document(request: Request) -> dict[str, Any]:
    """Reads a JSON object; an empty body is an empty one. Raises Refusal."""
    body = await request.body()
    if not body:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, "unsupported_media_type", "send the body as application/json")
    return parsed(body)


def parsed(text: bytes | str) -> dict[str, Any]:
    """Reads a JSON object. Raises Refusal."""
    try:
        value = json.loads(text, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise bad(f"this is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise bad(f"a JSON object is wanted, not a {type(value).__name__}")
    return value


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


async def while_there(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Does something for a client, until that has closed the connection. Raises Gone then."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Gone
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

"""Finds out by the header `Authorization` who calls; what was changed of the tokens counts within a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from pymongo.errors import PyMongoError
from starlette.datastructures import Headers

from outbox import dates
from outbox.aio.threads import Threads
from outbox.clock import Clock, SystemClock
from outbox.errors import OutboxError
from outbox.gateway.answers import Refusal
from outbox.gateway.scope import Caller, Scope
from outbox.gateway.tokens.token import Token, digest

logger = logging.getLogger("outbox")

FRESH_SECONDS = 1.0
"""So old what is known of the tokens may be."""
STALE_SECONDS = 60.0
"""So old while they cannot be read. Then nobody is let in: one of them may have been removed."""
USED_SECONDS = 60.0
"""So often it is noted that a token is used."""
_NOBODY = Token("", digest(""), Scope(frozenset()), "")


class TokenStore(Protocol):
    """Keeps tokens. Thread-safe; its calls may take a while."""

    def load(self) -> dict[str, Token]: ...
    def put(self, token: Token) -> None: ...
    def remove(self, name: str) -> bool: ...
    def note_use(self, name: str, at: str) -> None: ...


def _utc() -> datetime:
    return datetime.now(UTC)


class Bearer:
    """Is outbox.gateway.door.Callers by tokens. For one event loop."""

    def __init__(
        self, store: TokenStore, threads: Threads, clock: Clock | None = None, now: Callable[[], datetime] = _utc
    ) -> None:
        self._store = store
        self._threads = threads
        self._clock = SystemClock() if clock is None else clock
        self._now = now
        self._known: dict[str, Token] = {}
        self._callers: dict[str, Caller] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading: asyncio.Future[dict[str, Token]] | None = None
        self._noted: dict[str, float] = {}

    async def caller(self, headers: Headers) -> Caller:
        """See Callers."""
        given = headers.getlist("authorization")
        kind, _, text = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if kind.lower() != "bearer":
            raise Refusal(401, "unauthorized", "send a token: `Authorization: Bearer NAME.SECRET`")
        await self._refresh()
        name, _, secret = text.strip().partition(".")
        token = self._known.get(name)
        # One that is not known takes as long as one whose secret is wrong.
        is_right = (token or _NOBODY).is_secret(secret)
        if token is None or not is_right:
            raise Refusal(401, "unauthorized", "this token is none, or was removed or rotated")
        self._note(token.name)
        return self._callers[token.name]

    async def check(self, caller: Caller) -> None:
        """See Callers."""
        await self._refresh()
        if self._callers.get(caller.name) is not caller:
            raise Refusal(401, "unauthorized", "this token was removed, rotated or changed")

    async def _refresh(self) -> None:
        now = self._clock.monotonic()
        if self._tried_at is None or now - self._tried_at >= FRESH_SECONDS:
            self._tried_at = now
            reading = self._reading = self._threads.begin(self._store.load)
            try:
                self._take(await asyncio.shield(reading))
                self._read_at = now
            except (PyMongoError, OutboxError) as error:
                logger.warning("the tokens cannot be read: %s", error)
        elif self._read_at is None and self._reading is not None:
            await asyncio.wait((self._reading,))
        if self._read_at is None or self._clock.monotonic() - self._read_at > STALE_SECONDS:
            raise Refusal(503, "unavailable", "the tokens cannot be read just now: try again")

    def _take(self, found: dict[str, Token]) -> None:
        for name, token in found.items():
            known = self._known.get(name)
            if known is None or (known.digest, known.scope) != (token.digest, token.scope):
                self._callers[name] = Caller(name, token.scope)
        for name in self._callers.keys() - found.keys():
            del self._callers[name]
        self._known = found

    def _note(self, name: str) -> None:
        now = self._clock.monotonic()
        if now - self._noted.get(name, -USED_SECONDS) >= USED_SECONDS:
            self._noted[name] = now
            at = dates.text(self._now().replace(second=0, microsecond=0))
            self._threads.begin(partial(_noted, self._store, name, at))


def _noted(store: TokenStore, name: str, at: str) -> None:
    try:
        store.note_use(name, at)
    except (PyMongoError, OSError) as error:
        logger.warning("the use of the token %r was not noted: %s", name, error)

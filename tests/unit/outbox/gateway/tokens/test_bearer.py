"""Who calls, by the header Authorization."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.datastructures import Headers

from outbox import InvalidArgument
from outbox.aio.threads import Threads
from outbox.gateway.answers import Refusal
from outbox.gateway.scope import Caller, Scope
from outbox.gateway.tokens.bearer import Bearer
from outbox.gateway.tokens.token import Token, new_token
from outbox.testing import FakeClock


class Store:
    """Tokens in memory, which may fail."""

    def __init__(self) -> None:
        self.tokens: dict[str, Token] = {}
        self.fails = False
        self.used: list[tuple[str, str]] = []

    def add(self, name: str) -> str:
        self.tokens[name], text = new_token(name, Scope(), "now")
        return text

    def load(self) -> dict[str, Token]:
        if self.fails:
            raise InvalidArgument("away")
        return dict(self.tokens)

    def put(self, token: Token) -> None: ...
    def remove(self, name: str) -> bool:
        return self.tokens.pop(name, None) is not None

    def note_use(self, name: str, at: str) -> None:
        self.used.append((name, at))


class Asked:
    """A Bearer, its store and its clock."""

    def __init__(self) -> None:
        self.store, self.clock = Store(), FakeClock()
        self.threads = Threads(1, "outbox-test")
        self.bearer = Bearer(self.store, self.threads, self.clock, lambda: datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC))

    async def caller(self, *given: str) -> Caller:
        return await self.bearer.caller(Headers(raw=[(b"authorization", each.encode()) for each in given]))

    async def refused(self, *given: str) -> int:
        with pytest.raises(Refusal) as refused:
            await self.caller(*given)
        return refused.value.status


Test = Callable[[Asked], Coroutine[Any, Any, None]]


@asynccontextmanager
async def asked() -> AsyncIterator[Asked]:
    made = Asked()
    try:
        yield made
    finally:
        made.threads.end()


def run(test: Test) -> None:
    async def main() -> None:
        async with asked() as made:
            await test(made)

    asyncio.run(main())


def test_a_token_s_text_is_its_caller() -> None:
    async def test(asked: Asked) -> None:
        text = asked.store.add("web")
        assert (await asked.caller(f"Bearer {text}")).name == "web"
        assert (await asked.caller(f"bearer {text}")).name == "web"

    run(test)


def test_whatever_else_is_refused() -> None:
    async def test(asked: Asked) -> None:
        text = asked.store.add("web")
        for given in ("", text, f"Basic {text}", "Bearer ", "Bearer web.", f"Bearer {text}x", f"Bearer x{text}"):
            assert await asked.refused(given) == 401
        assert await asked.refused() == 401
        assert await asked.refused(f"Bearer {text}", f"Bearer {text}") == 401

    run(test)


def test_a_token_that_was_removed_counts_no_more_after_a_second() -> None:
    async def test(asked: Asked) -> None:
        text = asked.store.add("web")
        caller = await asked.caller(f"Bearer {text}")
        await asked.bearer.check(caller)
        asked.store.remove("web")
        asked.clock.advance(1.0)
        with pytest.raises(Refusal, match="removed"):
            await asked.bearer.check(caller)
        assert await asked.refused(f"Bearer {text}") == 401

    run(test)


def test_a_rotated_token_ends_what_was_opened_with_the_old_one() -> None:
    async def test(asked: Asked) -> None:
        caller = await asked.caller(f"Bearer {asked.store.add('web')}")
        text = asked.store.add("web")
        asked.clock.advance(1.0)
        with pytest.raises(Refusal, match="rotated"):
            await asked.bearer.check(caller)
        assert (await asked.caller(f"Bearer {text}")).name == "web"

    run(test)


def test_while_the_tokens_cannot_be_read_those_known_count_for_a_minute() -> None:
    async def test(asked: Asked) -> None:
        text = asked.store.add("web")
        await asked.caller(f"Bearer {text}")
        asked.store.fails = True
        asked.clock.advance(59.0)
        await asked.caller(f"Bearer {text}")
        asked.clock.advance(2.0)
        assert await asked.refused(f"Bearer {text}") == 503

    run(test)


def test_nobody_comes_in_before_the_tokens_are_known() -> None:
    async def test(asked: Asked) -> None:
        text = asked.store.add("web")
        asked.store.fails = True
        assert await asked.refused(f"Bearer {text}") == 503

    run(test)


def test_a_use_is_noted_once_a_minute() -> None:
    async def test(asked: Asked) -> None:
        text = asked.store.add("web")
        for _ in range(3):
            await asked.caller(f"Bearer {text}")
            asked.clock.advance(29.0)
        await asked.caller(f"Bearer {text}")
        await asked.threads.call(lambda: None)
        assert asked.store.used == [("web", "2025-01-02T03:04:00.000Z")] * 2

    run(test)

"""What is pushed to a client."""

from __future__ import annotations

import asyncio
from typing import Any

from outbox.gateway.delivery.feeds import Given, Lingering, LiveFeed
from outbox.gateway.delivery.live import Some
from outbox.gateway.delivery.window import Entry
from outbox.gateway.scope import Scope

ENTRY = Entry(5, "order.placed", b"id: 5\ndata: {}\n\n")


class Kept:
    """Gives one answer."""

    def __init__(self, some: Some) -> None:
        self.some = some

    def take(self, *asked: object) -> Some:
        return self.some


def feed(some: Some, scope: Scope) -> LiveFeed:
    live: Any = Kept(some)
    return LiveFeed(live, scope, None, 1)


def test_who_sees_all_is_told_how_much_was_skipped() -> None:
    assert feed(Some([ENTRY], 9, 3), Scope()).take(9) == ([ENTRY], 9, 3)


def test_who_does_not_is_told_that_something_was_and_nothing_in_between() -> None:
    scope = Scope(types=frozenset({"order.placed"}))

    assert feed(Some([ENTRY], 9, 3), scope).take(9) == ([ENTRY], 5, None)
    assert feed(Some([ENTRY], 9, 0), scope).take(9) == ([ENTRY], 5, 0)


def test_it_goes_on_behind_what_was_passed_over() -> None:
    live = feed(Some([], 9, 0), Scope(types=frozenset()))
    live.take(9)

    assert live.after == 9


class Coming:
    """Gives what it has, one answer a call, then nothing."""

    position, is_stalled = 0, False

    def __init__(self, *answers: Given) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []

    async def more(self, limit: int, until: float) -> Given | None:
        self.asked.append(limit)
        return self.answers.pop(0) if self.answers else None

    def acknowledge(self, seq: int) -> None:
        raise NotImplementedError


def lingering(coming: Coming, limit: int) -> Given | None:
    async def main() -> Given | None:
        return await Lingering(coming, 1).more(limit, 0)

    return asyncio.run(main())


def test_what_comes_shortly_after_another_is_given_with_it() -> None:
    coming = Coming(Given([ENTRY], 5), Given([ENTRY, ENTRY], 9, 2))

    assert lingering(coming, 9) == ([ENTRY] * 3, 9, 2)
    assert coming.asked == [9, 8, 6]


def test_no_more_is_waited_for_than_is_asked_for_and_nothing_where_nothing_came() -> None:
    coming = Coming(Given([ENTRY, ENTRY], 5), Given([ENTRY], 9))

    assert lingering(coming, 2) == ([ENTRY] * 2, 5, 0)
    assert lingering(Coming(), 2) is None
    assert lingering(Coming(Given([ENTRY], 5, None), Given([ENTRY], 6, 1)), 9) == ([ENTRY] * 2, 6, None)

"""What is pushed to a client."""

from __future__ import annotations

from typing import Any

from outbox.gateway.delivery.feeds import LiveFeed
from outbox.gateway.delivery.live import Some
from outbox.gateway.delivery.window import Entry
from outbox.gateway.scope import Scope

ENTRY = Entry(5, "order.placed", b"{}")


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

"""Handling one record after the other: when the next attempt is, and what a stop leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from outbox.consumers.in_turn import InTurn
from outbox.consumers.waiting import WINDOW
from outbox.errors import DeliveryFailed, Verdict
from outbox.events import Handled
from outbox.testing import FakeClock
from tests.doubles.handlers import failing, records, terms


def test_it_handles_what_was_sent_in_order_and_acknowledges_each() -> None:
    handled: list[int] = []
    acknowledged: list[int] = []
    target = InTurn(lambda record: handled.append(record.seq), terms())
    target.open(acknowledged.append)

    target.send(records("a", "b", "a"))
    target.poll(0)

    assert handled == acknowledged == [1, 2, 3]


def test_a_record_that_fails_holds_up_the_rest_until_its_next_attempt() -> None:
    clock, acknowledged = FakeClock(), []
    target = InTurn(failing({1: 1}), terms(clock))
    target.open(acknowledged.append)
    target.send(records("a", "b"))

    target.poll(0)
    target.poll(0)
    assert acknowledged == []
    clock.advance(0.06)
    target.poll(0)

    assert acknowledged == [1, 2]


def test_between_two_attempts_it_waits_no_longer_than_it_may() -> None:
    clock = FakeClock()
    target = InTurn(failing({1: 9}), terms(clock))
    target.open(print)
    target.send(records("a"))
    target.poll(0)

    target.poll(0.02)

    assert clock.monotonic() == pytest.approx(0.02)


def test_after_the_last_attempt_it_gives_the_record_up() -> None:
    clock = FakeClock()
    target = InTurn(failing({1: 9}), terms(clock, attempts=2))
    target.open(print)
    target.send(records("a"))
    target.poll(0)
    clock.advance(1)

    with pytest.raises(DeliveryFailed) as failed:
        target.poll(0)

    assert (failed.value.seq, failed.value.verdict) == (1, Verdict.POISON)


def test_it_leaves_the_pump_alone_for_a_moment_only() -> None:
    clock, acknowledged = FakeClock(), []
    target = InTurn(lambda _: clock.advance(0.03), terms(clock))
    target.open(acknowledged.append)
    target.send(records("a", "b", "c"))

    target.poll(0)

    assert acknowledged == [1, 2]


def test_nothing_more_is_begun_once_the_stop_is_set() -> None:
    stop, acknowledged = threading.Event(), []
    target = InTurn(lambda _: stop.set(), terms(stop=stop))
    target.open(acknowledged.append)
    target.send(records("a", "b"))

    target.poll(0)
    target.poll(0)

    assert acknowledged == [1]


def test_an_interrupted_one_says_that_the_rest_is_left() -> None:
    called: list[object] = []
    target = InTurn(called.append, terms())
    target.open(print)
    target.send(records("a"))

    target.interrupt()

    with pytest.raises(DeliveryFailed, match="handles the rest when it starts again"):
        target.poll(0)
    assert called == []


def test_it_takes_no_more_than_its_window() -> None:
    target = InTurn(print, terms())
    target.open(print)

    assert target.send(records(*"a" * (WINDOW + 5))) == WINDOW


def test_another_one_has_a_window_and_attempts_of_its_own() -> None:
    target = InTurn(print, terms())
    target.open(print)
    target.send(records("a"))

    other = target.another()
    other.open(print)

    assert other.send(records(*"a" * WINDOW)) == WINDOW


def test_it_tells_how_long_each_took() -> None:
    clock, told = FakeClock(), []
    target = InTurn(lambda _: clock.advance(0.01), terms(clock, tell=told.append))
    target.open(print)
    sent = records("a", "b")
    target.send(sent)

    target.poll(0)

    assert told == [Handled(sent[0][1], pytest.approx(0.01)), Handled(sent[1][1], pytest.approx(0.01))]


def test_what_is_no_exception_passes_through() -> None:
    def exits(_: object) -> None:
        raise SystemExit(3)

    target = InTurn(exits, terms())
    target.open(print)
    target.send(records("a"))

    with pytest.raises(SystemExit):
        target.poll(0)


def test_acknowledgements_go_to_who_opened_it_last() -> None:
    first: list[int] = []
    second: list[int] = []
    target = InTurn(lambda _: None, terms())
    opened: Callable[[int], object] = first.append
    target.open(opened)
    target.send(records("a"))

    target.open(second.append)
    target.send(records("b"))
    target.poll(0)

    assert (first, second) == ([], [1])

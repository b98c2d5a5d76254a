"""Records that wait for their turn: how many there may be, and what opening and closing does to them."""

from __future__ import annotations

from outbox.consumers.waiting import WINDOW, WaitingRecords
from tests.doubles.handlers import records


def test_it_takes_no_more_than_its_window() -> None:
    waiting = WaitingRecords()

    assert waiting.send(records(*"a" * (WINDOW - 1))) == WINDOW - 1
    assert waiting.send(records("b", "c")) == 1


def test_opening_and_closing_drop_what_waited() -> None:
    waiting = WaitingRecords()
    waiting.send(records(*"a" * WINDOW))
    waiting.close()
    assert waiting.send(records(*"a" * WINDOW)) == WINDOW

    waiting.open(print)

    assert waiting.send(records(*"a" * WINDOW)) == WINDOW

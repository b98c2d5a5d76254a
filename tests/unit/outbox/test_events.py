"""Events: what a reader tells of itself, to whoever listens."""

from __future__ import annotations

import logging
import pickle
import threading

import pytest

from outbox.events import CaughtUp, Event, Fetched, Standby, teller


def test_events_with_the_same_content_are_equal_and_cannot_be_changed() -> None:
    assert Fetched(3) == Fetched(3) != Fetched(4)
    with pytest.raises(AttributeError):
        Fetched(3).n = 4  # type: ignore[misc]  # the point of the test


def test_an_event_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(Standby("host:1:ab"))) == Standby("host:1:ab")  # noqa: S301  # our own bytes


def test_each_event_reaches_the_listener_in_order() -> None:
    heard: list[Event] = []
    tell = teller(heard.append)

    tell(Fetched(2))
    tell(CaughtUp(2))

    assert heard == [Fetched(2), CaughtUp(2)]


def test_a_listener_that_raises_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event) -> None:
        raise ValueError("no such gauge")

    with caplog.at_level(logging.ERROR, "outbox"):
        teller(broken)(CaughtUp(7))

    assert "on_event failed at CaughtUp" in caplog.text
    assert "no such gauge" in caplog.text


def test_a_listener_that_wants_to_end_a_reader_s_thread_is_logged_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It would end without a word: SystemExit ends a thread, and not the program."""

    def leaves(event: Event) -> None:
        raise SystemExit(1)

    reached = threading.Event()

    def reader() -> None:
        teller(leaves)(Fetched(1))
        reached.set()

    thread = threading.Thread(target=reader)
    thread.start()
    thread.join()

    assert reached.is_set()
    assert "on_event failed at Fetched; the reader goes on" in caplog.text


def test_on_the_main_thread_a_listener_can_end_the_program() -> None:
    def leaves(event: Event) -> None:
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        teller(leaves)(Fetched(1))


def test_without_a_listener_nothing_happens() -> None:
    teller(None)(CaughtUp(7))

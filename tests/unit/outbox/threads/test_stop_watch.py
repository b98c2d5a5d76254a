"""The stop watch wakes who waits for something else, on one thread for all, and lives no longer than they wait."""

from __future__ import annotations

import logging
import os
import threading

import pytest

from outbox.testing import FakeClock
from outbox.threads import stop_watch
from outbox.threads.stop_watch import watching
from tests.waiting import wait_until


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "outbox-stop-watch"]


@pytest.fixture(autouse=True)
def _alone() -> None:
    wait_until(lambda: not _threads(), 30, "the thread of other tests to end")


def test_who_waits_is_woken_when_the_stop_is_set() -> None:
    stop, woken = threading.Event(), threading.Event()
    with watching(stop.is_set, woken.set):
        stop.set()
        assert woken.wait(30)


def test_nobody_is_woken_before() -> None:
    first, second, woken, other = (threading.Event() for _ in range(4))
    with watching(first.is_set, woken.set), watching(second.is_set, other.set):
        second.set()
        assert other.wait(30)
        assert not woken.is_set()


def test_it_wakes_again_who_was_not_waiting_yet() -> None:
    times: list[None] = []
    with watching(lambda: True, lambda: times.append(None)):
        wait_until(lambda: len(times) >= 3, 30, "three wakes")


def test_a_reason_that_is_seldom_looked_at_wakes_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(stop_watch, "_CLOCK", clock)
    looks, wakes = list[None](), list[None]()

    def ends() -> bool:
        looks.append(None)
        return False

    def looked_three_times_more() -> None:
        seen = len(looks)
        wait_until(lambda: len(looks) >= seen + 3, 30, "three looks")

    with watching(ends, lambda: wakes.append(None), lambda: True):
        looked_three_times_more()
        assert not wakes
        clock.advance(1)
        looked_three_times_more()
        assert len(wakes) == 1


def test_one_thread_looks_for_all_and_ends_with_the_last() -> None:
    with watching(lambda: False, lambda: None), watching(lambda: False, lambda: None):
        assert len(_threads()) == 1
    wait_until(lambda: not _threads(), 30, "the end of the thread")

    with watching(lambda: False, lambda: None):
        assert len(_threads()) == 1


def test_one_that_cannot_be_woken_keeps_nobody_else_waiting(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> bool:
        raise ValueError("broken")

    woken = threading.Event()
    with caplog.at_level(logging.ERROR, "outbox"), watching(broken, lambda: None), watching(lambda: True, woken.set):
        assert woken.wait(30)

    assert "could not be woken" in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_a_thread_of_its_own() -> None:
    with watching(lambda: False, lambda: None):
        child = os.fork()
        if child == 0:
            woken = threading.Event()
            with watching(lambda: True, woken.set):
                os._exit(0 if woken.wait(30) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

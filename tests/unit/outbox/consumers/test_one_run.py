"""One run at a time: it is stopped and waited for from other threads, and a second one is refused."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from outbox.consumers.one_run import OneRun
from outbox.errors import InvalidConsumer


def one_run() -> OneRun:
    return OneRun("consumer:billing", InvalidConsumer)


def test_a_second_run_is_refused_while_the_first_goes_on() -> None:
    runs = one_run()

    with runs.begin(None), pytest.raises(InvalidConsumer, match="consumer:billing runs already"), runs.begin(None):
        pass

    with runs.begin(None):
        pass  # the first one has ended


def test_it_is_stopped_by_its_own_event_or_by_the_one_it_was_given() -> None:
    runs, given = one_run(), threading.Event()

    with runs.begin(None) as own:
        runs.stop()
        assert own.is_set()
    with runs.begin(given) as stopping:
        assert stopping is given


def test_a_stop_while_nothing_runs_is_none_of_the_next_run() -> None:
    runs = one_run()
    runs.stop()

    with runs.begin(None) as stopping:
        assert not stopping.is_set()


def test_others_wait_for_its_end_and_its_own_thread_does_not() -> None:
    runs, begun, ended = one_run(), threading.Event(), threading.Event()

    def work() -> None:
        with runs.begin(None) as stopping:
            runs.join(30)  # returns at once
            begun.set()
            stopping.wait(30)
            ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(30)
    runs.stop()
    runs.join(30)

    assert ended.is_set()
    thread.join(30)


@pytest.mark.parametrize("stop", [asyncio.Event(), "stop", True, object()], ids=lambda each: type(each).__name__)
def test_what_no_thread_can_wait_for_is_refused(stop: Any) -> None:
    runs = one_run()

    with pytest.raises(InvalidConsumer, match=r"give a threading\.Event"), runs.begin(stop):
        pass

    with runs.begin(None):
        pass  # nothing runs

"""Several relays in one process: what ends one does not end the others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import cast

import pytest

from outbox.errors import HistoryLost, OutboxError
from relay.cli.running.together import run_together
from relay.errors import TopicMissing
from relay.relay import Relay
from tests.waiting import wait_until


class Scripted:
    """Stands for a relay: does what it is told, on its thread."""

    def __init__(self, name: str, work: Callable[[threading.Event], None]) -> None:
        self.name = name
        self.where = f"shop.{name}"
        self._work = work

    def run(self, stop: threading.Event, *, once: bool, waits: bool) -> None:
        del once, waits
        self._work(stop)


def until_stopped(stop: threading.Event) -> None:
    stop.wait()


def failing(error: BaseException) -> Callable[[threading.Event], None]:
    def work(_: threading.Event) -> None:
        raise error

    return work


def run(stop: threading.Event, *relays: Scripted) -> None:
    run_together([cast(Relay, each) for each in relays], stop, once=False)


@pytest.mark.parametrize("error", [TopicMissing("no topic"), HistoryLost(3, 9), RuntimeError("a defect")])
def test_one_that_has_to_stop_leaves_the_others_at_work_and_its_error_comes_at_the_end(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    error.add_note("  relay cursor set 8")
    stop, raised = threading.Event(), list[BaseException]()

    def main() -> None:
        try:
            run(stop, Scripted("a", failing(error)), Scripted("b", until_stopped), Scripted("c", until_stopped))
        except (OutboxError, RuntimeError) as ended:
            raised.append(ended)

    thread = threading.Thread(target=main)
    thread.start()
    wait_until(lambda: "has stopped" in caplog.text, 30, "the log to say so")

    assert thread.is_alive()
    assert "relay 'a' of shop.a has stopped until this process is started again, 2 other(s) go on: " in caplog.text
    assert "relay cursor set 8" in caplog.text
    stop.set()
    thread.join(30)
    assert raised == [error]


def test_when_all_have_stopped_the_first_error_is_raised_and_each_was_told(caplog: pytest.LogCaptureFixture) -> None:
    first_is_told = threading.Event()

    def later(_: threading.Event) -> None:
        wait_until(lambda: "shop.a" in caplog.text, 30, "the first to be told")
        first_is_told.set()
        raise TopicMissing("no topic b")

    with pytest.raises(TopicMissing, match="no topic a"):
        run(threading.Event(), Scripted("a", failing(TopicMissing("no topic a"))), Scripted("b", later))

    assert "no topic b" in caplog.text


def test_one_alone_just_raises(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TopicMissing):
        run(threading.Event(), Scripted("a", failing(TopicMissing("no topic"))))

    assert caplog.text == ""


def test_what_is_no_error_of_one_outbox_ends_all() -> None:
    with pytest.raises(SystemExit):
        run(threading.Event(), Scripted("a", failing(SystemExit(1))), Scripted("b", until_stopped))

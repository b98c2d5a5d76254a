"""Workers do what they are given, whatever becomes of the main thread, of threads, and of themselves."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from outbox.threads.workers import Workers
from tests.waiting import wait_until

AFTER_THE_MAIN_THREAD = """
import threading
from outbox.threads.workers import Workers

def late():
    threading.main_thread().join()
    print(Workers(1, "outbox-test").submit(lambda: "done").result())

threading.Thread(target=late).start()
"""


@pytest.fixture
def workers() -> Workers:
    return Workers(2, "outbox-test")


def test_what_is_given_is_done_beside_the_caller(workers: Workers) -> None:
    assert workers.submit(threading.get_ident).result() != threading.get_ident()


def test_as_many_things_are_done_at_once_as_it_may_have_threads(workers: Workers) -> None:
    meeting = threading.Barrier(2, timeout=30)
    both = [workers.submit(meeting.wait) for _ in range(2)]

    assert sorted(each.result() for each in both) == [0, 1]


def test_what_is_more_waits_for_its_turn(workers: Workers) -> None:
    go = threading.Event()
    given = [workers.submit(go.wait, 30) for _ in range(5)]
    names = {each.name for each in threading.enumerate() if each.name.startswith("outbox-test")}
    go.set()

    assert [each.result() for each in given] == [True] * 5
    assert len(names) == 2


def test_what_it_raises_is_raised_by_the_result(workers: Workers) -> None:
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 // 0).result()


def test_it_takes_more_after_a_shutdown(workers: Workers) -> None:
    """Goes red with the library's pool: whoever released the lease once could never take over again."""
    assert workers.submit(int, "1").result() == 1
    workers.shutdown(wait=True)

    assert workers.submit(int, "2").result() == 2


def test_its_threads_end_without_work(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outbox.threads.workers._IDLE_SECONDS", 0.01)
    [thread] = [workers.submit(threading.current_thread).result()]
    wait_until(lambda: not thread.is_alive(), 30, "its thread to end")

    assert workers.submit(int, "1").result() == 1


def test_what_no_thread_can_be_had_for_is_done_at_once(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when the error of a container at its limit of threads ends whoever wanted a thread."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)

    assert workers.submit(threading.get_ident).result() == threading.get_ident()


def test_it_works_when_the_main_thread_has_ended() -> None:
    """Goes red with the library's pool, which refuses new work from then on."""
    done = subprocess.run([sys.executable, "-c", AFTER_THE_MAIN_THREAD], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("done\n", "")

"""Reading one read ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from pymongo.errors import AutoReconnect

from outbox.delivery.read_ahead import BACKLOG, ReadAhead
from outbox.errors import HistoryLost
from outbox.log.batch import Batch
from tests.waiting import wait_until


def batch(first: int, count: int) -> Batch:
    return Batch(first, first + count - 1, 1, 1, b"")


class Log:
    """Gives what is in `answers`, one a read, and knows which thread asked."""

    def __init__(self) -> None:
        self.answers: list[list[Batch] | Exception] = []
        self.threads: list[str] = []
        self.go = threading.Event()
        self.go.set()
        self.position = 1
        self.closed = False
        self.waited = 0

    def read_batches(self) -> list[Batch]:
        self.threads.append(threading.current_thread().name)
        if threading.current_thread() is not threading.main_thread():
            assert self.go.wait(30)
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return answer

    def wait(self, seconds: float) -> bool:
        self.waited += 1
        return False

    def move(self, position: int) -> None:
        self.position = position

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def ahead(log: Log) -> Iterator[ReadAhead]:
    made = ReadAhead(log)
    yield made
    log.go.set()
    made.close()


def is_asked(log: Log, times: int) -> None:
    wait_until(lambda: len(log.threads) >= times, 10, f"read {times}")
    assert len(log.threads) == times


def test_everything_is_given_in_order(log: Log, ahead: ReadAhead) -> None:
    answers = [[batch(1 + 500 * n, 500)] for n in range(10)]
    log.answers = [*answers]

    assert [ahead.read_batches() for _ in range(11)] == [*answers, []]


def test_in_a_backlog_one_read_is_under_way_on_another_thread_and_never_two(log: Log, ahead: ReadAhead) -> None:
    log.answers = [[batch(1, 500)], [batch(501, 500)], [batch(1001, 500)]]

    ahead.read_batches()
    is_asked(log, 2)
    ahead.read_batches()
    is_asked(log, 3)

    assert log.threads[0] == "MainThread"
    assert all(name.startswith("relay-reader") for name in log.threads[1:])


def test_at_the_head_nothing_is_read_ahead(log: Log, ahead: ReadAhead) -> None:
    log.answers = [[batch(1, BACKLOG)], []]

    ahead.read_batches()
    ahead.read_batches()

    assert log.threads == ["MainThread", "MainThread"]


def test_an_error_comes_when_its_turn_has_come_and_the_next_call_reads_again(log: Log, ahead: ReadAhead) -> None:
    log.answers = [[batch(1, 500)], AutoReconnect("away"), [batch(501, 3)]]

    assert ahead.read_batches() == [batch(1, 500)]
    with pytest.raises(AutoReconnect):
        ahead.read_batches()
    assert ahead.read_batches() == [batch(501, 3)]


def test_after_a_move_nothing_of_what_was_read_ahead_is_given(log: Log, ahead: ReadAhead) -> None:
    log.answers = [[batch(1, 500)], [batch(501, 500)], [batch(1, 500)]]
    ahead.read_batches()

    ahead.move(1)

    assert log.position == 1
    is_asked(log, 2)
    assert ahead.read_batches() == [batch(1, 500)]


def test_a_move_waits_for_the_read_under_way_and_drops_its_error(log: Log, ahead: ReadAhead) -> None:
    log.answers = [[batch(1, 500)], HistoryLost(501, 900), [batch(1, 2)]]
    log.go.clear()
    ahead.read_batches()
    is_asked(log, 2)
    moving = threading.Thread(target=ahead.move, args=(7,))
    moving.start()
    assert log.position == 1

    log.go.set()
    moving.join(10)

    assert log.position == 7
    assert ahead.read_batches() == [batch(1, 2)]


def test_while_a_read_is_under_way_the_source_is_left_alone(log: Log, ahead: ReadAhead) -> None:
    log.answers = [[batch(1, 500)]]
    log.go.clear()
    ahead.read_batches()

    assert ahead.wait(0.001)
    assert log.waited == 0
    log.go.set()
    ahead.read_batches()
    assert not ahead.wait(0.001)
    assert log.waited == 1


def test_closing_waits_for_the_read_under_way_and_closes_the_source(log: Log) -> None:
    ahead = ReadAhead(log)
    log.answers = [[batch(1, 500)], AutoReconnect("away")]
    log.go.clear()
    ahead.read_batches()
    closing = threading.Thread(target=ahead.close)
    closing.start()
    is_asked(log, 2)
    assert not log.closed

    log.go.set()
    closing.join(10)

    assert log.closed

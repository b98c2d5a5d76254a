"""The wait before the next try: which errors end it, how the failures are counted, and what is logged."""

from __future__ import annotations

import logging
import threading

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from outbox.backoff import FIRST_SECONDS
from outbox.counting.repeats import AGAIN_SECONDS
from outbox.delivery.retry import Retry
from outbox.errors import DeliveryFailed, Verdict
from outbox.events import Disconnected, Event
from outbox.shares.reader_logger import ReaderLogger
from outbox.testing import FakeClock
from tests.doubles.waits import Waits

AWAY = AutoReconnect("away")
LOG = ReaderLogger("relay:kafka", "a test")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def test_each_failure_in_a_row_waits_twice_as_long() -> None:
    stop = Waits()
    retry = Retry(LOG, stop, lambda: 1.0)

    for _ in range(3):
        retry.wait(AWAY)

    assert stop.seconds == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]


def test_after_progress_the_next_failure_is_the_first_again() -> None:
    stop = Waits()
    retry = Retry(LOG, stop, lambda: 1.0)
    retry.wait(AWAY)
    retry.wait(AWAY)

    retry.progressed()
    retry.wait(AWAY)

    assert stop.seconds[-1] == FIRST_SECONDS


def test_it_is_failing_from_a_failure_to_the_next_progress() -> None:
    retry = Retry(LOG, Waits(), lambda: 1.0)
    seen = [retry.failing]
    retry.wait(AWAY)
    seen.append(retry.failing)
    retry.progressed()

    assert [*seen, retry.failing] == [False, True, False]


def test_an_error_that_does_not_pass_is_raised_and_no_time_is_lost_on_it() -> None:
    stop, error = Waits(), OperationFailure("not allowed", code=13)
    retry = Retry(LOG, stop, lambda: 1.0)

    with pytest.raises(OperationFailure) as raised:
        retry.wait(error)

    assert raised.value is error
    assert (stop.seconds, retry.failing) == ([], False)


def test_a_stop_that_is_set_ends_the_wait_at_once() -> None:
    stop = threading.Event()
    stop.set()
    retry = Retry(LOG, stop, lambda: 1.0)

    for _ in range(100):  # four minutes and more, if they were waited for
        retry.wait(AWAY)

    assert retry.failing


def test_an_error_that_lasts_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    retry = Retry(LOG, Waits(), lambda: 1.0, clock)
    retry.wait(AWAY)
    clock.advance(AGAIN_SECONDS - 1)
    retry.wait(AWAY)
    assert len(warnings(caplog)) == 1

    clock.advance(1)
    retry.wait(AWAY)

    assert len(warnings(caplog)) == 2


def test_another_error_is_logged_at_once(caplog: pytest.LogCaptureFixture) -> None:
    retry = Retry(LOG, Waits(), lambda: 1.0, FakeClock())

    retry.wait(AWAY)
    retry.wait(DeliveryFailed(7, Verdict.RETRY, "the broker is away"))

    assert warnings(caplog) == [
        "relay 'kafka' of a test: away; again in 0.1 s",
        "relay 'kafka' of a test: seq 7: the broker is away; again in 0.1 s",
    ]


def test_an_archive_that_does_not_answer_is_away_as_a_server_is_and_logs_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[Event] = []
    retry, error = Retry(LOG, Waits(), lambda: 1.0, tell=heard.append), OSError("the archive's MongoDB: away")

    retry.wait(error)
    retry.wait(error)

    assert heard == [Disconnected(error)]
    assert warnings(caplog) == ["relay 'kafka' of a test: the archive's MongoDB: away; again in 0.1 s"]
    assert not caplog.records[0].exc_info


def test_an_unforeseen_error_is_logged_with_where_it_came_from_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop, error = Waits(), KeyError("seq")
    retry = Retry(LOG, stop, lambda: 1.0)

    retry.wait(error)

    (logged,) = caplog.records
    assert (logged.levelno, logged.exc_info and logged.exc_info[1]) == (logging.ERROR, error)
    assert stop.seconds == [FIRST_SECONDS]

"""The loop that sequences ends at nothing, says what went wrong, and loses no time when it goes on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from bson import Timestamp
from pymongo.errors import AutoReconnect, BulkWriteError

from outbox import Outbox, Record
from outbox.counting import repeats
from outbox.readers.tail import Tail
from outbox.sequencer import loop
from outbox.sequencer.change_stream import Changes, ChangeStreamListener
from outbox.sequencer.loop import run_sequencer
from outbox.sequencer.sequencer import Sequencer
from outbox.testing import FakeClock
from tests.actors.order_service import placed, totals, warnings_of
from tests.waiting import wait_until

Document = dict[str, Any]


@contextlib.contextmanager
def sequencing(orders: Outbox) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(
        target=run_sequencer,
        args=(orders.collections, Sequencer(orders.collections), stop),
        name="outbox-sequencer-test",
    )
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(30)


def failing(monkeypatch: pytest.MonkeyPatch, owner: type[Any], name: str, error: BaseException, times: int) -> None:
    """Has a method raise so many times, and then do its work."""
    works, left = getattr(owner, name), [times]

    def method(self: Any, *arguments: Any, **options: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise error
        return works(self, *arguments, **options)

    monkeypatch.setattr(owner, name, method)


UNFORESEEN = [RuntimeError("can't start new thread"), KeyError("postBatchResumeToken"), MemoryError()]


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", ["take_over", "sweep", "take"])
def test_an_unforeseen_error_is_told_whole_and_sequencing_goes_on(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str, error: Exception
) -> None:
    """Goes red when the loop ends at what is neither pymongo's nor ours: staging grew, and nobody was told."""
    got: list[Record[Any]] = []
    orders.observe(1).subscribe(got.append)
    orders.put(placed(1), standalone=True)
    wait_until(lambda: totals(got) == [1], 30, "the first message")
    failing(monkeypatch, Sequencer, method, error, 2)
    if method == "take_over":
        failing(monkeypatch, Sequencer, "sweep", AutoReconnect("cut off"), 1)
    numbers = iter(range(2, 10_000))

    def told() -> list[str]:
        orders.put(placed(next(numbers)), standalone=True)
        return [each.getMessage() for each in caplog.records if each.exc_info and each.exc_info[1] is error]

    said = wait_until(told, 30, "the error to be told, with where it came from")
    last = next(numbers)
    orders.put(placed(last), standalone=True)
    wait_until(lambda: last in totals(got), 30, "the message behind the error")

    assert "starts over" in said[0]


def test_a_thread_that_cannot_be_had_for_a_moment_is_asked_for_again(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when the change stream's thread is begun once, before the loop that mends everything."""
    start, refused = threading.Thread.start, list[str]()

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith(("outbox-bell", "outbox-sequencer_")) and len(refused) < 3:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    got: list[Record[Any]] = []
    orders.observe(1).subscribe(got.append)
    orders.put(placed(1), standalone=True)

    wait_until(lambda: totals(got) == [1], 30, "the message, once there are threads")
    assert refused


def test_a_subscriber_for_whom_there_is_no_thread_is_told_and_the_next_one_is_served(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when the readers are counted before the threads that serve them have begun."""
    failing(monkeypatch, threading.Thread, "start", RuntimeError("can't start new thread"), 1)
    with pytest.raises(RuntimeError, match="can't start"):
        orders.observe(1).subscribe(print)
    start, errors, got = threading.Thread.start, list[Exception](), list[Record[Any]]()

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("outbox-sequencer") and not errors:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    orders.observe(1).subscribe(print, errors.append)
    wait_until(lambda: errors, 30, "the subscriber to be told")
    orders.observe(1).subscribe(got.append)
    orders.put(placed(1), standalone=True)

    wait_until(lambda: totals(got) == [1], 30, "the next subscriber's message")
    assert "can't start" in str(errors[0])


@pytest.mark.parametrize(
    ("owner", "method"),
    [(ChangeStreamListener, "_opened"), (ChangeStreamListener, "_heed"), (Tail, "_opened"), (Tail, "_heed")],
)
def test_the_threads_that_wake_end_at_no_error(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, owner: type[Any], method: str
) -> None:
    error = RuntimeError("nobody knows why")
    failing(monkeypatch, owner, method, error, 1)
    got: list[Record[Any]] = []
    with orders.observe(1).subscribe(got.append):
        for n in range(1, 4):
            orders.put(placed(n), standalone=True)
            wait_until(lambda n=n: n in totals(got), 30, "the next message")  # type: ignore[misc]  # bound at once
        told = lambda: [each for each in caplog.records if each.exc_info and each.exc_info[1] is error]  # noqa: E731
        wait_until(told, 30, "the error to be told")
        name = "bell" if owner is ChangeStreamListener else "tail"
        assert f"outbox-{name}-outbox" in {each.name for each in threading.enumerate()}


def test_the_reason_of_a_refused_write_is_told(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused = BulkWriteError({"writeErrors": [{"index": 0, "code": 14031, "errmsg": "not enough disk space"}]})
    failing(monkeypatch, Sequencer, "sweep", refused, 1)
    with sequencing(orders):
        wait_until(lambda: "not enough disk space (14031)" in " ".join(warnings_of(caplog)), 30, "the server's reason")


# How fast it goes on


def test_after_it_has_worked_again_the_next_error_costs_as_little_as_the_first(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Goes red when the pause is reset only where the work ends, which it never does: then each error cost a second."""
    monkeypatch.setattr(loop, "_CALM_SECONDS", loop.IDLE_SECONDS)
    sweep, swept = Sequencer.sweep, iter([True, False] * 4)

    def every_other(self: Sequencer, **options: Any) -> Any:
        if next(swept, False):
            raise AutoReconnect("cut off")
        return sweep(self, **options)

    monkeypatch.setattr(Sequencer, "sweep", every_other)
    monkeypatch.setattr(repeats, "AGAIN_SECONDS", 0)  # so that each is logged

    def told() -> list[str]:
        return [each for each in warnings_of(caplog) if "starts over in" in each]

    with sequencing(orders):
        wait_until(lambda: len(told()) == 4, 60, "all of the errors")

    assert all("in 0.05 s" in each for each in told())


def test_errors_without_anything_done_in_between_come_ever_more_slowly(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing(monkeypatch, Sequencer, "sweep", AutoReconnect("cut off"), 3)
    monkeypatch.setattr(repeats, "AGAIN_SECONDS", 0)  # as above
    with sequencing(orders):
        wait_until(lambda: len(warnings_of(caplog)) == 3, 30, "all of the errors")

    assert [each.rpartition(" s: ")[0][-4:] for each in warnings_of(caplog)] == ["0.05", "0.10", "0.20"]


class Silence:
    """A change stream that brings nothing, on a clock of its own; it answers for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.clock = FakeClock(100.0)
        self._until = 100.0 + seconds

    def next_changes(self, seconds: float, ends: Callable[[], bool]) -> Changes:
        until = self.clock.monotonic() + seconds
        while not ends() and self.clock.monotonic() < until:
            self.clock.advance(0.25)
        return Changes([], Timestamp(0, 0))

    @property
    def is_answering(self) -> bool:
        return self.clock.monotonic() < self._until


class Kept:
    """A sequencer that has its lease, and counts the looks at its log."""

    is_held = True
    looks = 0

    def keep(self) -> None:
        self.looks += 1


def rest(monkeypatch: pytest.MonkeyPatch, sequencer: Kept, silence: Silence) -> float:
    """How long it waits for the next sweep."""
    monkeypatch.setattr(loop, "CLOCK", silence.clock)
    loop._changes_at_rest(cast(Sequencer, sequencer), cast(ChangeStreamListener, silence), threading.Event())
    return silence.clock.monotonic() - 100.0


@pytest.mark.parametrize(("answers", "waited"), [(0.0, 1.0), (2.5, 2.5), (60.0, 9.0)])
def test_at_rest_the_next_sweep_waits_longer_while_the_stream_answers(
    monkeypatch: pytest.MonkeyPatch, answers: float, waited: float
) -> None:
    assert rest(monkeypatch, Kept(), Silence(answers)) == waited


def test_a_sequencer_at_rest_looks_at_its_log_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when the wait between two sweeps is one: a log that was made anew was seen late."""
    sequencer = Kept()
    rest(monkeypatch, sequencer, Silence(60.0))

    assert sequencer.looks == 1


def test_a_sequencer_at_rest_whose_lease_is_lost_rests_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    silence = Silence(60.0)

    class Losing(Kept):
        @property
        def is_held(self) -> bool:  # type: ignore[override]  # it changes with the time
            return silence.clock.monotonic() < 100.5

    assert rest(monkeypatch, Losing(), silence) == 0.5


def test_who_rests_hears_that_its_lease_is_another_s(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loop, "_REST_SECONDS", 600.0)
    monkeypatch.setattr(loop, "_CALM_SECONDS", 600.0)
    rested, rest = threading.Event(), loop._changes_at_rest

    def resting(sequencer: Sequencer, listener: ChangeStreamListener, stop: threading.Event) -> Changes | None:
        if listener.is_answering:
            rested.set()
        return rest(sequencer, listener, stop)

    monkeypatch.setattr(loop, "_changes_at_rest", resting)
    with sequencing(orders):
        assert rested.wait(30)
        orders.collections.leases.update_one({"_id": "sequencer"}, {"$set": {"owner": "another"}, "$inc": {"fence": 1}})
        wait_until(lambda: "starts over" in " ".join(warnings_of(caplog)), 30, "it to hear")

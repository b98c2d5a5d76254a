"""`on_event`: what a subscription tells of itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect, OperationFailure
from reactivex import operators as ops

from outbox import InvalidArgument, Outbox, OutboxNotCreated, Record
from outbox.events import CaughtUp, Disconnected, Event, Fetched, Idle, Reconnected, Started, Stopped
from outbox.readers.reader import LogReader
from tests.actors.order_service import new_outbox, placed
from tests.actors.subscriber import Subscriber, subscribed
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB") as outbox:
        yield outbox


def told(events: list[Event], *expected: Event) -> None:
    wait_until(lambda: events == list(expected), 30, f"{expected}, not {events}")


def test_it_tells_what_it_does_from_the_start_to_the_end(orders: Outbox) -> None:
    orders.put([placed(1), placed(2)], standalone=True)
    orders.sequence()
    events: list[Event] = []
    subscription = orders.observe("earliest", on_event=events.append).subscribe()

    told(events, Started(), Fetched(2), CaughtUp(2), Idle())
    orders.put(placed(3), standalone=True)
    told(events, Started(), Fetched(2), CaughtUp(2), Idle(), Fetched(1), CaughtUp(3), Idle())
    subscription.dispose()
    told(events, Started(), Fetched(2), CaughtUp(2), Idle(), Fetched(1), CaughtUp(3), Idle(), Stopped())


def test_a_log_that_holds_nothing_yet_is_caught_up_with_at_once(orders: Outbox) -> None:
    events: list[Event] = []
    subscribed(orders, "latest", on_event=events.append)

    told(events, Started(), CaughtUp(0), Idle())


def test_caught_up_and_idle_are_told_once_however_long_it_waits(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outbox.readers.observable.REST_SECONDS", 0.01)
    reads = []
    read = LogReader.read_batches

    def counted(self: LogReader) -> Any:
        reads.append(1)
        return read(self)

    monkeypatch.setattr(LogReader, "read_batches", counted)
    events: list[Event] = []
    subscribed(orders, "earliest", on_event=events.append)
    wait_until(lambda: len(reads) > 3, 30, "several reads in vain")

    assert events == [Started(), CaughtUp(0), Idle()]


def test_caught_up_comes_after_the_records_and_counts_those_that_are_left_out(orders: Outbox) -> None:
    seen: list[object] = []
    orders.put([placed(1), placed(2), placed(3)], standalone=True)
    orders.sequence()
    orders.observe(2, where=lambda record: record.seq == 2, on_event=seen.append).subscribe(
        lambda record: seen.append(record.seq)
    )

    wait_until(lambda: len(seen) == 5, 30, "all of it")
    assert seen == [Started(), Fetched(2), 2, CaughtUp(3), Idle()]


def test_a_disconnect_is_told_once_until_it_works_again(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    error, read, fails = AutoReconnect("connection closed"), LogReader.read_batches, iter([True, True, True])

    def flaky(self: LogReader) -> Any:
        if next(fails, False):
            raise error
        return read(self)

    monkeypatch.setattr(LogReader, "read_batches", flaky)
    events: list[Event] = []
    subscribed(orders, "earliest", on_event=events.append)

    wait_until(lambda: Idle() in events, 30, "the head")
    assert events[:2] == [Started(), Disconnected(error)]
    again = events[2]
    assert isinstance(again, Reconnected)
    assert again.seconds > 0.25, "three pauses of a tenth of a second"
    assert events[3:] == [CaughtUp(0), Idle()]


def test_disposed_of_while_the_server_is_away_it_still_tells_that_it_stopped(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: Any, **options: Any) -> Any:
        raise AutoReconnect("connection closed")

    monkeypatch.setattr(LogReader, "read_batches", away)
    events: list[Event] = []
    subscription = orders.observe("earliest", on_event=events.append).subscribe()
    wait_until(lambda: len(events) == 2, 30, "the disconnect")
    subscription.dispose()

    wait_until(lambda: len(events) == 3, 30, "the end")
    assert [type(each) for each in events] == [Started, Disconnected, Stopped]


def _disposed(orders: Outbox, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    start().dispose()


def _closed(orders: Outbox, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    start()
    orders.close()


def _failed(orders: Outbox, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*arguments: Any, **options: Any) -> Any:
        raise OperationFailure("not authorized", 13)

    monkeypatch.setattr(LogReader, "read_batches", refuses)
    start()


def _never_created(orders: Outbox, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    orders.drop()
    start()


def _closed_before(orders: Outbox, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    orders.close()
    start(fresh=False)


def _no_thread(orders: Outbox, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuses)
    start()
    monkeypatch.undo()


def _broken_listener(orders: Outbox, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    orders.put(placed(1), standalone=True)
    orders.sequence()
    start(raising=True)


@pytest.mark.parametrize(
    "end",
    [_disposed, _closed, _failed, _never_created, _closed_before, _no_thread, _broken_listener],
    ids=lambda end: end.__name__.strip("_"),
)
def test_however_it_ends_stopped_is_told_once_and_last(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, end: Callable[..., None]
) -> None:
    events: list[Event] = []
    observable = orders.observe("earliest", on_event=events.append)

    def start(*, fresh: bool = True, raising: bool = False) -> Any:
        if fresh:
            return observable.subscribe(_raise if raising else None, lambda error: None)
        return observable.subscribe(Subscriber())

    end(orders, start, monkeypatch)

    wait_until(lambda: Stopped() in events, 30, "the end")
    orders.close()
    assert events.count(Stopped()) == 1
    assert events[-1] == Stopped()


def _raise(record: Record[Any]) -> None:
    raise ValueError("no such order")


def test_an_operator_that_ends_it_is_an_end_too(orders: Outbox) -> None:
    orders.put([placed(1), placed(2)], standalone=True)
    events: list[Event] = []
    orders.observe("earliest", on_event=events.append).pipe(ops.take(1)).run()

    wait_until(lambda: events and events[-1] == Stopped(), 30, "the end")
    assert events.count(Stopped()) == 1


def test_each_subscription_tells_for_itself(orders: Outbox) -> None:
    events: list[Event] = []
    observable = orders.observe("earliest", on_event=events.append)
    first, second = observable.subscribe(), observable.subscribe()
    wait_until(lambda: events.count(Idle()) == 2, 30, "both")
    first.dispose()
    wait_until(lambda: events.count(Stopped()) == 1, 30, "one of them")
    second.dispose()

    wait_until(lambda: events.count(Stopped()) == 2, 30, "both")


def test_a_listener_that_raises_is_logged_and_stops_nothing(orders: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event) -> None:
        raise KeyError(type(event).__name__)

    with caplog.at_level(logging.ERROR, "outbox"):
        subscriber = subscribed(orders, "earliest", on_event=broken)
        orders.put([placed(1), placed(2)], standalone=True)
        subscriber.sees(1, 2)
        orders.close()

    for event in ("Started", "Fetched", "CaughtUp", "Idle", "Stopped"):
        assert f"on_event failed at {event}" in caplog.text
    assert (subscriber.completions, subscriber.errors) == (1, [])


@pytest.mark.parametrize("listener", ["started", 7, {}])
def test_what_is_no_function_is_refused_at_the_call(orders: Outbox, listener: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"on_event=.*give a function of an event"):
        orders.observe("earliest", on_event=listener)


@pytest.mark.parametrize("way", ["observe", "read"])
@pytest.mark.parametrize("on_gap", ["ignore", None, 7])
def test_an_on_gap_that_is_none_is_refused_at_the_call(orders: Outbox, way: str, on_gap: Any) -> None:
    """It counted as "error" before, so that "ignore" did the opposite of what it says."""
    with pytest.raises(InvalidArgument, match=r"on_gap=.*give a function of HistoryLost"):
        getattr(orders, way)("earliest", on_gap=on_gap)


def test_what_a_subscriber_raises_when_it_is_completed_is_logged(
    orders: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise ValueError("no such file")

    orders.observe("earliest").subscribe(on_completed=fails)
    orders.close()

    wait_until(lambda: "failed when it was completed" in caplog.text, 30, "the log's line")
    assert "no such file" in caplog.text


def test_an_outbox_that_was_never_created_tells_only_that_it_stopped(database: Database[Document]) -> None:
    events: list[Event] = []
    with Outbox(database) as orders:
        subscriber = subscribed(orders, "earliest", on_event=events.append)
        wait_until(lambda: [type(each) for each in subscriber.errors] == [OutboxNotCreated], 30, "the error")
        told(events, Stopped())

"""Observing the log: live, serial, at each subscriber's own pace, and gone within 0.3 s when disposed of."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import AutoReconnect
from reactivex import operators as ops
from reactivex.abc import DisposableBase, ObserverBase

from outbox import HistoryLost, InvalidStart, LogReplaced, Outbox, OutboxClosed, OutboxNotCreated, Record, batch
from outbox.log import Log
from outbox.reader import LogReader
from outbox.tail import Tail
from tests.commands import watched
from tests.orders import MESSAGES, StockCounted, new_outbox, placed, totals, warnings_of
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB") as outbox:
        yield outbox


class Subscriber(ObserverBase[Record[Any]]):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[Record[Any]] = []
        self.errors: list[Exception] = []
        self.completions = 0

    def on_next(self, value: Record[Any]) -> None:
        self.records.append(value)

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)

    def on_completed(self) -> None:
        self.completions += 1

    def sees(self, *expected: int) -> None:
        wait_until(lambda: totals(self.records) == list(expected), 10, f"{expected}")


def _subscribed(orders: Outbox, start: Any = "latest", **options: Any) -> Subscriber:
    subscriber = Subscriber()
    orders.observe(start, **options).subscribe(subscriber)
    return subscriber


def _live(orders: Outbox) -> Subscriber:
    """A subscriber to the latest that has surely resolved where that is."""
    subscriber = _subscribed(orders, "earliest")
    orders.put(placed(-0))
    subscriber.sees(0)
    subscriber.records.clear()
    return subscriber


# Starting


def test_a_subscriber_gets_what_is_put_after_it(orders: Outbox) -> None:
    subscriber = _live(orders)
    orders.put(placed(1))
    orders.put([placed(2), placed(3)])

    subscriber.sees(1, 2, 3)
    assert [each.seq for each in subscriber.records] == [2, 3, 4]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("earliest", [1, 2, 3, 9]),
        (2, [2, 3, 9]),
        (datetime(2020, 1, 1, tzinfo=UTC), [1, 2, 3, 9]),
        (4, [9]),
        ("latest", [9]),
    ],
)
def test_the_start_is_a_word_a_seq_or_a_date(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, start: Any, expected: list[int]
) -> None:
    orders.put([placed(1), placed(2), placed(3)])
    orders.sequence()
    waiting = threading.Event()
    monkeypatch.setattr(LogReader, "wait", _telling(waiting))
    subscriber = _subscribed(orders, start)
    assert waiting.wait(10)
    orders.put(placed(9))

    subscriber.sees(*expected)


def _telling(waiting: threading.Event) -> Any:
    wait = LogReader.wait

    def telling(self: LogReader, *arguments: Any) -> bool:
        waiting.set()
        return wait(self, *arguments)

    return telling


def test_each_subscription_resolves_its_start_for_itself(orders: Outbox) -> None:
    observable = orders.observe("earliest")
    orders.put(placed(1))
    orders.sequence()
    first, second = Subscriber(), Subscriber()
    observable.subscribe(first)
    first.sees(1)
    observable.subscribe(second)

    second.sees(1)


def test_a_start_that_is_none_is_refused_at_once(orders: Outbox) -> None:
    for start in (0, True, "beginning"):
        with pytest.raises(InvalidStart):
            orders.observe(start)  # type: ignore[arg-type]  # wrong on purpose


def test_a_start_beyond_the_head_goes_to_on_error(orders: Outbox) -> None:
    subscriber = _subscribed(orders, 7)

    wait_until(lambda: [type(each) for each in subscriber.errors] == [InvalidStart])


def test_observing_what_was_never_created_goes_to_on_error(database: Database[Document]) -> None:
    with Outbox(database) as orders:
        subscriber = _subscribed(orders)

        wait_until(lambda: [type(each) for each in subscriber.errors] == [OutboxNotCreated])


def test_types_and_key_filter(orders: Outbox) -> None:
    subscriber = _subscribed(orders, "earliest", types=["order.placed"], key="a")
    orders.put([placed(1, "a"), placed(2, "b"), StockCounted(count=1), placed(3, "a")])

    subscriber.sees(1, 3)


def test_no_process_sequences_when_told_not_to(database: Database[Document]) -> None:
    with new_outbox(database, sequence=False) as orders:
        orders.put(placed(1))
        subscriber = _subscribed(orders, "earliest")
        wait_until(lambda: _tails(orders) == 1, 5, "the tail to be open")

        assert orders.status().holder is None
        orders.sequence()
        subscriber.sees(1)


# Ending


def _seconds_to_end(orders: Outbox, subscription: DisposableBase) -> float:
    [thread] = [each for each in threading.enumerate() if each.name.startswith("outbox-observe")]
    started = time.monotonic()
    subscription.dispose()
    thread.join(5)
    return time.monotonic() - started


def test_dispose_stops_a_waiting_subscriber_within_300_ms(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when `dispose` does not wake it: it would sleep out its second."""
    waiting = threading.Event()
    monkeypatch.setattr(LogReader, "wait", _telling(waiting))
    for _ in range(3):
        waiting.clear()
        subscription = orders.observe("earliest").subscribe()
        wait_until(lambda: _tails(orders) == 1, 5, "the tail to be open")
        assert waiting.wait(10)

        assert _seconds_to_end(orders, subscription) < 0.3
        wait_until(lambda: _threads() == [], 1, "all threads to end")


def test_dispose_stops_a_busy_subscriber_within_300_ms(orders: Outbox) -> None:
    orders.put([placed(n) for n in range(1000)])
    orders.sequence()
    busy = threading.Event()

    def on_next(record: Record[Any]) -> None:
        busy.set()
        threading.Event().wait(0.05)

    subscription = orders.observe("earliest").subscribe(on_next)
    assert busy.wait(10)

    assert _seconds_to_end(orders, subscription) < 0.3


def _threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("outbox")]


def test_after_the_last_dispose_nothing_is_left(
    mongo_uri: str, orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thread, no session, and no cursor on the server."""
    sessions: list[ClientSession] = []
    start_session = MongoClient.start_session

    def counting(self: MongoClient[Any], *arguments: Any, **options: Any) -> ClientSession:
        sessions.append(start_session(self, *arguments, **options))
        return sessions[-1]

    monkeypatch.setattr(MongoClient, "start_session", counting)
    with MongoClient[Document](mongo_uri) as client:
        observed = Outbox(client[orders.collections.database.name], messages=MESSAGES)
        subscriptions = [observed.observe("earliest").subscribe() for _ in range(5)]
        subscriber = _subscribed(observed, "earliest")
        orders.put(placed(1))
        subscriber.sees(1)
        assert _cursors(orders) > 0

        for each in subscriptions:
            each.dispose()
        observed._subscriptions.complete(5)

        wait_until(lambda: _threads() == [], 5, "the threads to end")
        wait_until(lambda: _cursors(orders) == 0, 5, "the cursors to be closed")
        assert len(sessions) > 6
        assert [each for each in sessions if not each.has_ended] == []


def _cursors(orders: Outbox) -> int:
    """Open cursors on this outbox, at work or idle, as the server counts them."""
    admin = orders.collections.client.admin
    namespaces = [orders.collections.log.full_name, orders.collections.staging.full_name]
    pipeline: list[Document] = [
        {"$currentOp": {"allUsers": True, "idleCursors": True}},
        {"$match": {"ns": {"$in": namespaces}, "cursor": {"$exists": True}}},
        {"$group": {"_id": "$cursor.cursorId"}},
    ]
    return len(list(admin.aggregate(pipeline)))


def _tails(orders: Outbox) -> int:
    pipeline: list[Document] = [
        {"$currentOp": {"allUsers": True, "idleCursors": True}},
        {"$match": {"ns": orders.collections.log.full_name, "cursor.tailable": True}},
        {"$group": {"_id": "$cursor.cursorId"}},
    ]
    return len(list(orders.collections.client.admin.aggregate(pipeline)))


def test_one_subscriber_and_fifty_share_one_tailable_cursor(orders: Outbox) -> None:
    one = _subscribed(orders, "earliest")
    orders.put(placed(1))
    one.sees(1)
    wait_until(lambda: _tails(orders) == 1, 5, "one tail")
    many = [_subscribed(orders, "earliest") for _ in range(50)]
    for each in many:
        each.sees(1)

    assert _tails(orders) == 1
    orders.put(placed(2))
    for each in many:
        each.sees(1, 2)


def test_dispose_from_inside_on_next_delivers_no_more(orders: Outbox) -> None:
    orders.put([placed(n) for n in range(100)])
    orders.sequence()
    got: list[Record[Any]] = []
    orders.observe("earliest").pipe(ops.take(1)).subscribe(got.append)  # which disposes as it passes the first on

    wait_until(lambda: got, 10, "the first record")
    wait_until(lambda: _threads() == [], 5, "the threads to end")
    assert totals(got) == [0]


def test_close_completes_every_subscriber(orders: Outbox) -> None:
    subscribers = [_subscribed(orders, "earliest") for _ in range(3)]
    orders.put(placed(1))
    for each in subscribers:
        each.sees(1)
    orders.close()

    assert [(each.completions, each.errors) for each in subscribers] == [(1, [])] * 3
    assert _threads() == []


def test_close_from_inside_on_next_completes_without_waiting_for_itself(orders: Outbox) -> None:
    """Goes red when `Feed.join` waits for threads that run as long as this very subscriber does."""
    closed_after: list[float] = []
    completed = threading.Event()

    def on_next(record: Record[Any]) -> None:
        started = time.monotonic()
        orders.close()
        closed_after.append(time.monotonic() - started)

    orders.observe("earliest").subscribe(on_next, on_completed=completed.set)
    orders.put([placed(1), placed(2)])

    assert completed.wait(10)
    assert len(closed_after) == 1
    assert closed_after[0] < 1


def test_a_disposed_subscriber_is_told_nothing(orders: Outbox) -> None:
    subscriber = Subscriber()
    subscription = orders.observe("earliest").subscribe(subscriber)
    orders.put(placed(1))
    subscriber.sees(1)
    subscription.dispose()
    orders.close()

    assert (subscriber.completions, subscriber.errors) == (0, [])


def test_subscribing_after_close_is_an_error(orders: Outbox) -> None:
    observable = orders.observe()
    orders.close()
    subscriber = Subscriber()
    observable.subscribe(subscriber)

    assert [type(each) for each in subscriber.errors] == [OutboxClosed]
    assert _threads() == []


def test_one_may_subscribe_again_after_the_last_was_disposed_of(orders: Outbox) -> None:
    for n in range(3):
        subscriber = Subscriber()
        subscription = orders.observe(n + 1 if n else "earliest").subscribe(subscriber)
        orders.put(placed(n))
        subscriber.sees(n)
        subscription.dispose()


# Errors


def _fails_at(number: int) -> Callable[[Record[Any]], None]:
    def on_next(record: Record[Any]) -> None:
        if record.data and record.data["total"] == number:
            raise KeyError(number)

    return on_next


def test_what_on_next_raises_goes_to_on_error_and_hurts_no_other(orders: Outbox) -> None:
    other = _subscribed(orders, "earliest")
    errors: list[Exception] = []
    orders.observe("earliest").subscribe(_fails_at(2), errors.append)
    orders.put([placed(1), placed(2), placed(3)])

    other.sees(1, 2, 3)
    wait_until(lambda: [type(each) for each in errors] == [KeyError])
    orders.put(placed(4))
    other.sees(1, 2, 3, 4)
    assert len(errors) == 1


def test_what_a_piped_operator_raises_goes_to_on_error(orders: Outbox) -> None:
    errors: list[Exception] = []

    def divide(record: Record[Any]) -> int:
        return 1 // totals([record])[0]

    orders.observe("earliest").pipe(ops.map(divide)).subscribe(on_error=errors.append)
    orders.put(placed(0))

    wait_until(lambda: [type(each) for each in errors] == [ZeroDivisionError])


def test_what_on_next_raises_below_operators_goes_to_on_error(orders: Outbox) -> None:
    errors: list[Exception] = []
    orders.observe("earliest").pipe(ops.skip(0), ops.take(5)).subscribe(_fails_at(1), errors.append)
    orders.put(placed(1))

    wait_until(lambda: [type(each) for each in errors] == [KeyError])


def test_an_error_that_nobody_handles_is_logged(orders: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    orders.observe("earliest").subscribe(_fails_at(1))
    orders.put(placed(1))

    wait_until(lambda: "has no on_error" in " ".join(warnings_of(caplog)), 5, "the log's line")


def test_on_next_is_called_serially_by_one_thread(orders: Outbox) -> None:
    threads: set[str] = set()
    inside = threading.Lock()

    def on_next(record: Record[Any]) -> None:
        assert inside.acquire(blocking=False)
        threads.add(threading.current_thread().name)
        inside.release()

    errors: list[Exception] = []
    orders.observe("earliest").subscribe(on_next, errors.append)
    subscriber = _subscribed(orders, "earliest")
    orders.put([placed(n) for n in range(50)])
    subscriber.sees(*range(50))

    assert (len(threads), errors) == (1, [])


def test_short_disconnects_are_ridden_out_from_the_exact_next_seq(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscriber = _live(orders)
    since, fails = Log.since, iter([True, True, False] * 50)

    def flaky(self: Log, *arguments: Any, **options: Any) -> Any:
        found = since(self, *arguments, **options)
        if next(fails):
            raise AutoReconnect("connection closed")
        return found

    monkeypatch.setattr(Log, "since", flaky)
    for n in range(1, 10):
        orders.put(placed(n))

    subscriber.sees(*range(1, 10))
    assert [each.seq for each in subscriber.records] == list(range(2, 11))
    assert subscriber.errors == []


# Waking up


def _silent(tail: Tail, stop: threading.Event) -> None:
    """A tail whose cursor is open and never says anything, as on a node that was cut off."""
    tail.open = True
    stop.wait()


def _none(tail: Tail, stop: threading.Event) -> None:
    """A tail that cannot be opened."""
    stop.wait()


@pytest.mark.parametrize("run", [_silent, _none])
def test_a_silent_tail_costs_a_second_at_most(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, run: Callable[[Tail, threading.Event], None]
) -> None:
    """Goes red when a reader waits for the tail alone."""
    monkeypatch.setattr(Tail, "run", run)
    subscriber = _live(orders)
    for n in range(1, 4):
        started = time.monotonic()
        orders.put(placed(n))
        subscriber.sees(*range(1, n + 1))
        assert time.monotonic() - started < 1.2 + 0.3


def test_a_live_tail_wakes_at_once(orders: Outbox) -> None:
    """Goes red when readers only look every second: the median shows it, whatever else the machine does."""
    subscriber = _live(orders)
    wait_until(lambda: _tails(orders) == 1, 5, "the tail to be open")
    delays = []
    for n in range(1, 12):
        started = time.monotonic()
        orders.put(placed(n))
        subscriber.sees(*range(1, n + 1))
        delays.append(time.monotonic() - started)

    assert sorted(delays)[5] < 0.4


def test_a_wake_up_that_comes_before_the_majority_is_not_lost(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when a reader that was woken in vain waits for the next ring: that would cost the whole second."""
    subscriber = _live(orders)
    wait_until(lambda: _tails(orders) == 1, 5, "the tail to be open")
    since, lag = Log.since, [0]

    def lagging(self: Log, *arguments: Any, **options: Any) -> Any:
        found = since(self, *arguments, **options)
        if found and lag[0]:
            lag[0] -= 1
            return []
        return found

    monkeypatch.setattr(Log, "since", lagging)
    delays = []
    for n in range(1, 6):
        lag[0] = 1
        started = time.monotonic()
        orders.put(placed(n))
        subscriber.sees(*range(1, n + 1))
        delays.append(time.monotonic() - started)

    assert sorted(delays)[2] < 0.5


def test_a_client_with_a_short_timeout_can_observe(mongo_uri: str, orders: Outbox) -> None:
    with (
        watched(mongo_uri, orders.collections.database, timeoutMS=2000) as (database, _),
        Outbox(database, messages=MESSAGES) as observed,
    ):
        subscriber = _live(observed)
        orders.put(placed(1))
        subscriber.sees(1)
        wait_until(lambda: _tails(orders) == 1, 5, "the tail to be open")


def test_the_bell_that_is_cut_for_good_costs_a_second_at_most(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change stream is refused from now on, as when the oplog has rolled past it."""
    subscriber = _live(orders)
    monkeypatch.setattr("pymongo.synchronous.collection.Collection.watch", _refused)
    _kill_cursors(orders, orders.collections.staging.name)
    for n in range(1, 4):
        started = time.monotonic()
        orders.put(placed(n))
        subscriber.sees(*range(1, n + 1))
        assert time.monotonic() - started < 1.5


def _refused(*_: Any, **__: Any) -> None:
    raise AutoReconnect("no change stream today")


def _kill_cursors(orders: Outbox, collection: str) -> None:
    pipeline: list[Document] = [
        {"$currentOp": {"allUsers": True, "idleCursors": True}},
        {"$match": {"ns": f"{orders.collections.database.name}.{collection}", "cursor": {"$exists": True}}},
    ]
    ids = [each["cursor"]["cursorId"] for each in orders.collections.client.admin.aggregate(pipeline)]
    orders.collections.database.command("killCursors", collection, cursors=ids)


def test_killed_cursors_are_opened_again(orders: Outbox) -> None:
    subscriber = _live(orders)
    for n in range(1, 4):
        wait_until(lambda: _tails(orders) == 1, 5, "the tail to be open")
        _kill_cursors(orders, orders.collections.log.name)
        _kill_cursors(orders, orders.collections.staging.name)
        orders.put(placed(n))
        subscriber.sees(*range(1, n + 1))


# Gaps and other logs


def _roll(orders: Outbox) -> None:
    for n in range(14):
        orders.put(placed(1000 + n, note="x" * 900_000))
        orders.sequence()


def test_a_subscriber_that_was_overrun_gets_history_lost_with_exact_numbers(database: Database[Document]) -> None:
    with new_outbox(database, capacity="8 MiB", sequence=False) as orders:
        orders.put([placed(1), placed(2)])
        orders.sequence()
        first, go_on = threading.Event(), threading.Event()
        errors: list[Any] = []

        def slow(record: Record[Any]) -> None:
            first.set()
            assert go_on.wait(30)

        orders.observe("earliest").subscribe(slow, errors.append)
        assert first.wait(10)
        _roll(orders)
        oldest = orders.log.oldest()
        go_on.set()

        wait_until(lambda: errors, 10, "the error")
        assert isinstance(errors[0], HistoryLost)
        assert (errors[0].expected, errors[0].oldest) == (3, oldest)


def test_on_gap_lets_a_subscriber_go_on(database: Database[Document]) -> None:
    with new_outbox(database, capacity="8 MiB", sequence=False) as orders:
        _roll(orders)
        gaps: list[HistoryLost] = []
        subscriber = _subscribed(orders, 1, on_gap=gaps.append)
        wait_until(lambda: subscriber.records and subscriber.records[-1].seq == 14, 10, "the newest")

        assert [(each.expected, each.oldest) for each in gaps] == [(1, orders.log.oldest())]
        assert subscriber.errors == []


def test_on_gap_that_raises_ends_the_subscription(database: Database[Document]) -> None:
    with new_outbox(database, capacity="8 MiB", sequence=False) as orders:
        _roll(orders)

        def refuse(lost: HistoryLost) -> None:
            raise KeyError(lost.expected)

        subscriber = _subscribed(orders, 1, on_gap=refuse)
        wait_until(lambda: [type(each) for each in subscriber.errors] == [KeyError])


def test_a_log_made_anew_under_a_live_subscriber_is_an_error(database: Database[Document]) -> None:
    """Goes red when `verify` is not called after the tail broke: it would wait for the new log to pass its position."""
    with new_outbox(database, sequence=False) as orders, new_outbox(database) as other:
        other.put([placed(n) for n in range(20)])
        other.sequence()
        subscriber = _subscribed(orders, "earliest")
        subscriber.sees(*range(20))
        other.drop()
        other.create()
        other.put(placed(1))
        other.sequence()

        wait_until(lambda: [type(each) for each in subscriber.errors] == [LogReplaced], 10, "LogReplaced")
        assert len(subscriber.records) == 20


def test_a_log_that_was_only_dropped_is_an_error_too(database: Database[Document]) -> None:
    with new_outbox(database, sequence=False) as orders:
        orders.put(placed(1))
        orders.sequence()
        subscriber = _subscribed(orders, "earliest")
        subscriber.sees(1)
        wait_until(lambda: _tails(orders) == 1, 5, "the tail to be open")
        database.outbox.drop()

        wait_until(lambda: [type(each) for each in subscriber.errors] == [LogReplaced], 10, "LogReplaced")


# Memory


def _backlog(orders: Outbox, batches: int) -> None:
    """Batches of 500 records of 1 KB, straight into the log."""
    rest = bson.encode({"type": "order.placed", "key": None, "headers": {}, "data": {"note": "x" * 900}})[4:]
    for n in range(batches):
        records = [batch.record(ObjectId().binary, n, rest) for _ in range(500)]
        orders.collections.log.insert_one(RawBSONDocument(batch.pack(n * 500 + 1, 0, n * 500 + 1, records)))


def test_a_large_backlog_is_read_with_flat_memory(database: Database[Document]) -> None:
    """Goes red when there is a queue between the log and a subscriber: 60,000 records take 150 MB in Python."""
    with new_outbox(database, sequence=False) as orders:
        _backlog(orders, 120)
        done = threading.Event()

        def on_next(record: Record[Any]) -> None:
            if record.seq == 60_000:
                done.set()

        tracemalloc.start()
        try:
            orders.observe("earliest").subscribe(on_next)
            assert done.wait(60)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak < 50 << 20


def test_a_slow_subscriber_is_read_no_further_ahead_than_one_read(database: Database[Document]) -> None:
    """RxPY has no back-pressure of its own: here it is that nothing is read while `on_next` runs."""
    with new_outbox(database, sequence=False) as orders:
        _backlog(orders, 40)
        reads: list[int] = []
        first, go_on = threading.Event(), threading.Event()
        subscriber = Subscriber()

        def slow(record: Record[Any]) -> None:
            first.set()
            assert go_on.wait(30)
            subscriber.on_next(record)

        with pytest.MonkeyPatch.context() as patch:
            read = LogReader.read

            def counting(self: LogReader) -> list[Record[Any]]:
                reads.append(self.position)
                return read(self)

            patch.setattr(LogReader, "read", counting)
            orders.observe("earliest").subscribe(slow)
            assert first.wait(10)
            assert reads == [1]
            go_on.set()
            wait_until(lambda: len(subscriber.records) == 20_000, 30, "the backlog")

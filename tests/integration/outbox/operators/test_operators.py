"""The operators on a real log: what observe, its threads and its marks do with them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database
from reactivex.abc import ObserverBase

from outbox import Outbox, Record
from outbox.events import CaughtUp
from outbox.operators import ack_after, batch, by_key, caught_up, of_type
from tests.actors.order_service import OrderPlaced, StockCounted, new_outbox, placed
from tests.actors.subscriber import threads
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB") as outbox:
        yield outbox


class Seen(ObserverBase[Any]):
    """Keeps what it is told, a record as its seq."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.errors: list[Exception] = []
        self.completions = 0

    def on_next(self, value: Any) -> None:
        self.items.append([each.seq for each in value] if isinstance(value, list) else getattr(value, "seq", value))

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)

    def on_completed(self) -> None:
        self.completions += 1

    def sees(self, *expected: Any) -> None:
        wait_until(lambda: self.items == list(expected), 30, f"{expected}, not {self.items}")


def put(orders: Outbox, *totals: int) -> None:
    orders.put([placed(total) for total in totals], standalone=True)
    orders.sequence()


def test_the_head_is_marked_after_the_backlog_and_after_each_burst(orders: Outbox) -> None:
    put(orders, 1, 2)
    seen = Seen()
    orders.observe("earliest").pipe(caught_up()).subscribe(seen)

    seen.sees(1, 2, CaughtUp(2))
    put(orders, 3)
    seen.sees(1, 2, CaughtUp(2), 3, CaughtUp(3))


def test_an_empty_log_is_caught_up_with_at_once(orders: Outbox) -> None:
    seen = Seen()
    orders.observe("latest").pipe(caught_up()).subscribe(seen)

    seen.sees(CaughtUp(0))


def test_what_is_left_out_counts_as_passed(orders: Outbox) -> None:
    orders.put([placed(1), StockCounted(count=1), placed(2)], standalone=True)
    orders.sequence()
    seen = Seen()
    orders.observe("earliest", where=lambda record: record.seq > 1).pipe(of_type(OrderPlaced), caught_up()).subscribe(
        seen
    )

    seen.sees(3, CaughtUp(3))


def test_each_subscription_marks_for_itself_and_the_plain_stream_stays_plain(orders: Outbox) -> None:
    put(orders, 1)
    records = orders.observe("earliest")
    plain, first, second = Seen(), Seen(), Seen()
    records.subscribe(plain)
    for each in (first, second):
        records.pipe(caught_up()).subscribe(each)
        each.sees(1, CaughtUp(1))

    plain.sees(1)


def test_what_a_subscriber_raises_at_a_mark_goes_to_on_error(orders: Outbox) -> None:
    errors: list[Exception] = []

    def on_next(item: object) -> None:
        raise ValueError("the subscriber's own")

    orders.observe("earliest").pipe(caught_up()).subscribe(on_next, errors.append)

    wait_until(lambda: [type(each) for each in errors] == [ValueError], 30, "the error")


def test_keys_go_side_by_side_each_in_order_and_the_mark_waits_for_all(orders: Outbox) -> None:
    orders.put([placed(n, f"order-{n % 7}") for n in range(300)], standalone=True)
    orders.sequence()
    done: dict[str | None, list[int]] = defaultdict(list)
    workers, seen = set(), Seen()

    def effect(record: Record[Any]) -> None:
        workers.add(threading.get_ident())
        done[record.key].append(record.seq)

    orders.observe("earliest").pipe(by_key(4, effect), batch(50, 60), caught_up()).subscribe(seen)

    wait_until(lambda: CaughtUp(300) in seen.items, 30, "the mark")
    assert sorted(seq for each in seen.items[:-1] for seq in each) == list(range(1, 301))
    assert all(seqs == sorted(seqs) for seqs in done.values())
    assert sum(map(len, done.values())) == 300
    assert threading.get_ident() not in workers


def test_observe_reads_no_further_than_by_key_takes_in(orders: Outbox) -> None:
    orders.put([placed(n) for n in range(2000)], standalone=True)
    orders.sequence()
    go, read, seen = threading.Event(), [], Seen()

    def counted(record: Record[Any]) -> bool:
        read.append(record.seq)
        return True

    subscription = orders.observe("earliest", where=counted).pipe(by_key(2, lambda record: go.wait(30))).subscribe(seen)
    wait_until(lambda: len(read) == 17, 30, "what is taken in, and the one that waits")
    go.set()
    wait_until(lambda: len(seen.items) == 2000, 60, "all of it")
    subscription.dispose()


def test_closing_the_outbox_completes_a_stream_when_its_effects_are_done(orders: Outbox) -> None:
    put(orders, 1, 2)
    go, begun, seen = threading.Event(), threading.Event(), Seen()

    def effect(record: Record[Any]) -> None:
        begun.set()
        go.wait(30)

    orders.observe("earliest").pipe(by_key(2, effect)).subscribe(seen)
    assert begun.wait(30)
    orders.close()
    assert seen.completions == 0
    go.set()

    wait_until(lambda: seen.completions == 1, 30, "completion")
    wait_until(lambda: threads() == [], 30, "no thread is left")
    assert seen.items in ([1], [1, 2])


def test_an_effect_that_fails_ends_the_subscription_and_the_rest_is_unacknowledged(orders: Outbox) -> None:
    put(orders, 1, 2, 3)
    acknowledged: list[int] = []
    seen = Seen()

    class Consumer:
        def ack(self, record: Record[Any]) -> None:
            acknowledged.append(record.seq)

    def effect(record: Record[Any]) -> None:
        if record.seq == 2:
            raise KeyError("no such order")

    orders.observe("earliest").pipe(ack_after(Consumer(), effect)).subscribe(seen)

    wait_until(lambda: [type(each) for each in seen.errors] == [KeyError], 30, "the error")
    assert (seen.items, acknowledged) == ([1], [1])
    wait_until(lambda: threads() == [], 30, "no thread is left")


def test_a_batch_is_passed_on_by_its_age_while_the_log_rests(orders: Outbox) -> None:
    seen = Seen()
    subscription = orders.observe("earliest").pipe(batch(100, 0.05)).subscribe(seen)
    put(orders, 1, 2)

    wait_until(lambda: [seq for each in seen.items for seq in each] == [1, 2], 30, "both")
    subscription.dispose()
    wait_until(lambda: threads() == [], 30, "no thread is left")

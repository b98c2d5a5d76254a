"""What goes wrong goes to on_error of the subscriber it concerns, and hurts no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect
from reactivex import operators as ops

from outbox import Outbox, Record
from outbox.log.log import Log
from tests.actors.order_service import new_outbox, placed, totals, warnings_of
from tests.actors.subscriber import live, subscribed
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB") as outbox:
        yield outbox


def _fails_at(number: int) -> Callable[[Record[Any]], None]:
    def on_next(record: Record[Any]) -> None:
        if record.data and record.data["total"] == number:
            raise KeyError(number)

    return on_next


def test_what_on_next_raises_goes_to_on_error_and_hurts_no_other(orders: Outbox) -> None:
    other = subscribed(orders, "earliest")
    errors: list[Exception] = []
    orders.observe("earliest").subscribe(_fails_at(2), errors.append)
    orders.put([placed(1), placed(2), placed(3)], standalone=True)

    other.sees(1, 2, 3)
    wait_until(lambda: [type(each) for each in errors] == [KeyError])
    orders.put(placed(4), standalone=True)
    other.sees(1, 2, 3, 4)
    assert len(errors) == 1


def test_what_a_piped_operator_raises_goes_to_on_error(orders: Outbox) -> None:
    errors: list[Exception] = []

    def divide(record: Record[Any]) -> int:
        return 1 // totals([record])[0]

    orders.observe("earliest").pipe(ops.map(divide)).subscribe(on_error=errors.append)
    orders.put(placed(0), standalone=True)

    wait_until(lambda: [type(each) for each in errors] == [ZeroDivisionError])


def test_what_on_next_raises_below_operators_goes_to_on_error(orders: Outbox) -> None:
    errors: list[Exception] = []
    orders.observe("earliest").pipe(ops.skip(0), ops.take(5)).subscribe(_fails_at(1), errors.append)
    orders.put(placed(1), standalone=True)

    wait_until(lambda: [type(each) for each in errors] == [KeyError])


def test_an_error_that_nobody_handles_is_logged(orders: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    orders.observe("earliest").subscribe(_fails_at(1))
    orders.put(placed(1), standalone=True)

    wait_until(lambda: "has no on_error" in " ".join(warnings_of(caplog)), 30, "the log's line")


@pytest.mark.parametrize(
    "end", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=lambda end: type(end).__name__
)
def test_an_exit_in_on_next_ends_its_subscription_and_says_so(
    orders: Outbox, end: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """It cannot end the program from a thread, and must not look as if nothing had happened."""
    other = subscribed(orders, "earliest")
    errors: list[BaseException] = []

    def on_next(record: Record[Any]) -> None:
        raise end

    orders.observe("earliest").subscribe(on_next, errors.append)
    orders.put(placed(1), standalone=True)

    wait_until(lambda: errors == [end])
    assert "the program goes on" in " ".join(warnings_of(caplog))
    orders.put(placed(2), standalone=True)
    other.sees(1, 2)


def test_an_exit_in_on_error_is_logged(orders: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    def on_error(error: Exception) -> None:
        raise SystemExit(3)

    orders.observe("earliest").subscribe(_fails_at(1), on_error)
    orders.put(placed(1), standalone=True)

    wait_until(lambda: "failed and has no on_error" in " ".join(warnings_of(caplog)), 30, "the log's line")


def test_on_next_is_called_serially_by_one_thread(orders: Outbox) -> None:
    callers: list[int] = []
    inside = threading.Lock()

    def on_next(record: Record[Any]) -> None:
        assert inside.acquire(blocking=False)
        callers.append(threading.get_ident())
        inside.release()

    errors: list[Exception] = []
    orders.observe("earliest").subscribe(on_next, errors.append)
    orders.put([placed(n) for n in range(50)], standalone=True)
    wait_until(lambda: len(callers) == 50 or errors, 30, "fifty calls")

    assert (len(set(callers)), errors) == (1, [])


def test_short_disconnects_are_ridden_out_from_the_exact_next_seq(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscriber = live(orders)
    since, fails = Log.batches_from, iter([True, True, False] * 50)

    def flaky(self: Log, *arguments: Any, **options: Any) -> Any:
        found = since(self, *arguments, **options)
        if next(fails):
            raise AutoReconnect("connection closed")
        return found

    monkeypatch.setattr(Log, "batches_from", flaky)
    for n in range(1, 10):
        orders.put(placed(n), standalone=True)

    subscriber.sees(*range(1, 10))
    assert [each.seq for each in subscriber.records] == list(range(2, 11))
    assert subscriber.errors == []

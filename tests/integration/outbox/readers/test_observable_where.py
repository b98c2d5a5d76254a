"""`where`: a predicate of the reader's own, that takes records out of the stream and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import HistoryLost, InvalidSelector, Outbox, Record
from tests.actors.order_service import StockCounted, new_outbox, placed, totals
from tests.actors.subscriber import roll, subscribed
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB") as outbox:
        yield outbox


def odd(record: Record[Any]) -> bool:
    return record.data is not None and record.data["total"] % 2 == 1


def fails_at(total: int, error: BaseException) -> Callable[[Record[Any]], bool]:
    def where(record: Record[Any]) -> bool:
        if totals([record]) == [total]:
            raise error
        return True

    return where


def test_only_what_the_predicate_wants_is_given(orders: Outbox) -> None:
    subscriber = subscribed(orders, "earliest", where=odd)
    orders.put([placed(n) for n in range(6)], standalone=True)

    subscriber.sees(1, 3, 5)
    assert totals(orders.read(where=odd)) == [1, 3, 5]


def test_it_is_asked_only_of_what_types_and_key_leave(orders: Outbox) -> None:
    asked: list[Record[Any]] = []

    def where(record: Record[Any]) -> bool:
        asked.append(record)
        return odd(record)

    orders.put([placed(1, "a"), placed(3, "b"), StockCounted(count=1), placed(4, "a"), placed(5, "a")], standalone=True)
    orders.sequence()

    assert totals(orders.read(types=["order.placed"], key="a", where=where)) == [1, 5]
    assert totals(asked) == [1, 4, 5]


def test_any_true_value_wants_and_any_false_one_refuses(orders: Outbox) -> None:
    orders.put([placed(0), placed(2)], standalone=True)
    orders.sequence()

    assert totals(orders.read(where=lambda record: totals([record])[0])) == [2]  # type: ignore[arg-type, return-value]  # the point


def test_what_it_refuses_counts_as_read(orders: Outbox) -> None:
    """A gap that comes after records that were refused is a gap: 'earliest' promises all from its first record on."""
    orders.put(placed(1), standalone=True)
    orders.sequence()
    lost: list[HistoryLost] = []

    def rolls(record: Record[Any]) -> bool:
        if record.seq == 1:
            roll(orders)
        return record.seq != 1

    reading = orders.read("earliest", where=rolls, on_gap=lost.append)

    assert [record.seq for record in reading] == list(range(orders.log.oldest(), orders.log.head() + 1))
    assert [(each.expected, each.oldest) for each in lost] == [(2, orders.log.oldest())]


def test_what_it_raises_goes_to_on_error_and_names_the_record(orders: Outbox) -> None:
    subscriber = subscribed(orders, "earliest", where=fails_at(2, KeyError("region")))
    id = orders.put([placed(1), placed(2), placed(3)], standalone=True)[1]

    wait_until(lambda: subscriber.errors, 30, "the error")
    [error] = subscriber.errors
    assert (type(error), totals(subscriber.records)) == (KeyError, [1])
    assert error.__notes__ == [f"raised by where at the record with seq 2 (id {id})"]


def test_what_it_raises_is_raised_by_read(orders: Outbox) -> None:
    orders.put([placed(1), placed(2)], standalone=True)
    orders.sequence()
    reading = orders.read(where=fails_at(2, KeyError("region")))

    assert totals([next(reading)]) == [1]
    with pytest.raises(KeyError, match="region") as raised:
        next(reading)
    assert "raised by where at the record with seq 2" in raised.value.__notes__[0]


def test_a_stop_iteration_in_it_is_no_end(orders: Outbox) -> None:
    """Goes red with `filter`, which took it for the end of what was to be filtered: the rest was lost in silence."""
    orders.put([placed(1), placed(2)], standalone=True)
    orders.sequence()
    subscriber = subscribed(orders, "earliest", where=fails_at(1, StopIteration()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(orders.read(where=fails_at(1, StopIteration())))
    wait_until(lambda: [type(each) for each in subscriber.errors] == [StopIteration], 30, "the error")


@pytest.mark.parametrize("way", ["observe", "read"])
@pytest.mark.parametrize("where", ["order.placed", 7, True, {"total": 1}])
def test_what_is_no_function_is_refused_at_the_call(orders: Outbox, way: str, where: Any) -> None:
    with pytest.raises(InvalidSelector, match=r"where=.*give a function of a record"):
        getattr(orders, way)("earliest", where=where)


async def later(record: Record[Any]) -> bool:
    return False


@pytest.mark.parametrize("way", ["observe", "read"])
def test_a_coroutine_function_is_refused_for_it_would_want_everything(orders: Outbox, way: str) -> None:
    with pytest.raises(InvalidSelector, match="coroutine"):
        getattr(orders, way)("earliest", where=later)

"""What a subscriber asked for: where it starts, what it does at a gap, which records it wants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from pymongo.database import Database
from pymongo.errors import OperationFailure

from outbox import HistoryLost, InvalidStart, Outbox
from outbox.log.log import Log
from outbox.readers.query import Query, next_batches, open_reader, pinned
from outbox.readers.start import Start
from tests.actors.order_service import (
    DAY,
    Document,
    OrderCancelled,
    OrderPlaced,
    StockCounted,
    new_outbox,
    placed,
    put_at,
    warnings_of,
)
from tests.actors.subscriber import roll

pytestmark = pytest.mark.oldest_server


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB", sequence=False) as outbox:
        yield outbox


def test_on_gap_is_told_once_and_reading_goes_on_at_the_oldest(orders: Outbox) -> None:
    """Goes red when a start that has rolled away raises before `on_gap` is asked."""
    roll(orders)
    gaps: list[HistoryLost] = []

    seqs = [each.seq for each in orders.read(1, on_gap=gaps.append)]

    assert seqs == list(range(orders.log.oldest(), orders.log.head() + 1))
    assert [(each.expected, each.oldest) for each in gaps] == [(1, seqs[0])]


def test_earliest_means_nothing_before_the_first_record_was_delivered(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when `pull` raises for 'earliest' as for any other: on a hot log the first batch is often gone."""
    roll(orders, 5)
    holding = Log.batch_at

    def rolled_meanwhile(self: Log, *arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(Log, "batch_at", holding)
        roll(orders, 12)
        return holding(self, *arguments, **options)

    monkeypatch.setattr(Log, "batch_at", rolled_meanwhile)

    seqs = [each.seq for each in orders.read("earliest")]
    assert seqs[0] > 1
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def test_types_and_key_filter(orders: Outbox) -> None:
    orders.put([placed(1, "a"), OrderCancelled(order_id="a"), placed(2, "b"), StockCounted(count=1)], standalone=True)
    orders.sequence()

    assert [each.seq for each in orders.read(types=[OrderPlaced])] == [1, 3]
    assert [each.seq for each in orders.read(types=["order.cancelled", StockCounted])] == [2, 4]
    assert [each.seq for each in orders.read(key="a")] == [1, 2]
    assert [each.seq for each in orders.read(types=[OrderPlaced], key="b")] == [3]
    assert [each.seq for each in orders.read(types=[])] == []


def decode(_: str, data: Any, headers: Any) -> Any:
    return data


def opened(orders: Outbox, query: Query) -> list[int]:
    """The seqs that a reader gives that was opened for the query."""
    with closing(open_reader(orders.collections, query, decode, None)) as reader:
        return [record.seq for record in reader.read()]


def test_latest_is_pinned_to_the_next_seq(orders: Outbox) -> None:
    put_at(orders, 1, 2)

    assert pinned(orders.collections, Query("latest", None, None)).pinned == 3


@pytest.mark.parametrize("start", ["earliest", 1, DAY])
def test_any_other_start_is_resolved_when_it_is_read(orders: Outbox, start: Start) -> None:
    query = Query(start, None, None)

    assert pinned(orders.collections, query) is query


def test_latest_of_a_server_that_cannot_tell_stays_what_it_is(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise OperationFailure("not authorized", 13)

    monkeypatch.setattr(Log, "head", refuse)

    assert pinned(orders.collections, Query("latest", None, None)).pinned is None


def test_latest_of_an_outbox_that_was_never_created_stays_what_it_is(database: Database[Document]) -> None:
    assert pinned(Outbox(database, "other").collections, Query("latest", None, None)).pinned is None


def test_a_reader_begins_at_the_pinned_seq_and_not_at_what_is_latest_by_now(orders: Outbox) -> None:
    query = pinned(orders.collections, Query("latest", None, None))
    put_at(orders, 1, 2)

    assert opened(orders, query) == [1, 2]
    assert opened(orders, Query("latest", None, None)) == []


def test_a_reader_begins_where_the_start_says(orders: Outbox) -> None:
    put_at(orders, 0, 10, 20)

    assert opened(orders, Query("earliest", None, None)) == [1, 2, 3]
    assert opened(orders, Query(2, None, None)) == [2, 3]
    assert opened(orders, Query(DAY + timedelta(minutes=11), None, None)) == [3]


def test_a_start_beyond_the_log_opens_nothing(orders: Outbox) -> None:
    with pytest.raises(InvalidStart, match="beyond"):
        opened(orders, Query(2, None, None))


def test_a_start_that_was_rolled_over_opens_nothing_unless_the_gap_is_to_be_told(orders: Outbox) -> None:
    roll(orders)
    told: list[HistoryLost] = []
    query = Query(1, None, None, told.append)

    with pytest.raises(HistoryLost):
        opened(orders, Query(1, None, None))
    with closing(open_reader(orders.collections, query, decode, None)) as reader:
        found = next_batches(reader, query, delivered=False)
    assert found[0].first == orders.log.earliest()
    assert [(each.expected, each.oldest) for each in told] == [(1, orders.log.earliest())]


def test_types_that_nobody_declared_are_warned_of_when_it_is_opened(
    orders: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    opened(orders, Query("earliest", frozenset({"order.placd"}), None, unknown=frozenset({"order.placd"})))

    assert "did you mean 'order.placed'" in warnings_of(caplog)[0]

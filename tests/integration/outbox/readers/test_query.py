"""What a subscriber asked for: where it starts, what it does at a gap, which records it wants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import HistoryLost, Outbox
from outbox.log.log import Log
from tests.actors.order_service import Document, OrderCancelled, OrderPlaced, StockCounted, new_outbox, placed
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

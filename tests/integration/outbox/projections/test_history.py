"""The records that states are made of, read once more: those that are wanted, and no more than asked for."""

from __future__ import annotations

import pytest

from outbox import Outbox
from outbox.projections.history import wanted_records
from tests.actors.order_service import OrderCancelled, OrderPlaced, placed
from tests.actors.projecting import revenue
from tests.actors.running import put


@pytest.mark.parametrize(
    ("first", "last", "seqs"), [(1, 5, [1, 3, 5]), (2, 4, [3]), (4, 4, []), (5, 4, []), (1, 1, [1]), (3, 5, [3, 5])]
)
def test_it_gives_the_wanted_ones_between_two(orders: Outbox, first: int, last: int, seqs: list[int]) -> None:
    cancelled = OrderCancelled(order_id="42")
    put(orders, placed(1), cancelled, placed(3), cancelled, placed(5))
    config = revenue(orders, types=[OrderPlaced])._work.live()

    records = list(wanted_records(config, first, last))

    assert [record.seq for record in records] == seqs
    assert all(record.message.total == record.seq for record in records)

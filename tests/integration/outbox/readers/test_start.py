"""A start is resolved to the seq of the first record to read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.readers.start import resolve
from tests.actors.order_service import DAY, new_outbox, put_at
from tests.actors.subscriber import roll

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB", sequence=False) as outbox:
        yield outbox


def test_a_date_is_the_first_record_of_then_or_later(orders: Outbox) -> None:
    put_at(orders, 0, 10, 20)
    put_at(orders, 20, 30)
    put_at(orders, 30)

    for minute, expected in [(-1, 1), (0, 1), (1, 2), (10, 2), (15, 3), (20, 3), (21, 5), (30, 5), (31, 7)]:
        assert resolve(DAY + timedelta(minutes=minute), orders.log) == expected


def test_a_date_in_an_empty_log_is_its_beginning(orders: Outbox) -> None:
    assert resolve(DAY, orders.log) == 1


def test_a_date_is_found_in_a_log_that_has_rolled(orders: Outbox) -> None:
    put_at(orders, 0)
    roll(orders)

    assert resolve(DAY, orders.log) == orders.log.oldest() > 1

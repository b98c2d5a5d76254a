"""Moving and forgetting a relay's cursor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.errors import InvalidStart
from outbox.shares.cursor_admin import forget, move
from relay import Relay
from relay.errors import CursorInUse
from relay.testing import MemorySink
from tests.actors.order_service import new_outbox
from tests.actors.relay_thread import Relaying, cursor_of, numbered, started
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="16 MiB") as outbox:
        yield outbox


def test_the_cursor_can_be_moved_back_and_its_records_come_again(orders: Outbox) -> None:
    numbered(orders, 3)
    started(orders, "beginning")

    move(orders.collections, "relay:kafka", 1, SystemClock())

    assert started(orders, "beginning") == [2, 3]


def test_the_cursor_can_be_moved_to_a_date(orders: Outbox) -> None:
    numbered(orders, 3)

    before, now = move(orders.collections, "relay:kafka", datetime(2020, 1, 1, tzinfo=UTC), SystemClock())

    assert (before, now) == (None, (0, None, None))


def test_moving_the_cursor_says_where_it_was(orders: Outbox) -> None:
    numbered(orders, 3)
    started(orders, "beginning")

    before, now = move(orders.collections, "relay:kafka", 1, SystemClock())

    assert (before and before[0], now[0]) == (3, 1)


@pytest.mark.parametrize("seq", [4, 1000, 2**63, -1, -(2**70)])
def test_the_cursor_cannot_be_moved_to_a_record_that_is_not_there(orders: Outbox, seq: int) -> None:
    numbered(orders, 3)

    with pytest.raises(InvalidStart, match="holds 1 to 3"):
        move(orders.collections, "relay:kafka", seq, SystemClock())


def test_the_cursor_cannot_be_moved_under_a_working_relay(orders: Outbox) -> None:
    with Relaying(Relay(orders, MemorySink(), lease_seconds=1.0)):
        wait_until(lambda: cursor_of(orders), 30, "the relay to work")
        with pytest.raises(CursorInUse, match="stop it first"):
            move(orders.collections, "relay:kafka", 0, SystemClock())


def test_a_cursor_is_not_forgotten_while_its_relay_works(orders: Outbox) -> None:
    with Relaying(Relay(orders, MemorySink())):
        wait_until(orders.collections.cursors.find_one, 30, "the relay to work")

        with pytest.raises(CursorInUse, match="stop it first"):
            forget(orders.collections, "relay:kafka", SystemClock())

    assert orders.collections.cursors.find_one() is not None
